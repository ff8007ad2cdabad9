"""Many messages: received, run and acknowledged, by a queue worker or a Lambda function."""
