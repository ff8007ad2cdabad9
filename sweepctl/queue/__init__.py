"""The queue: one contract (`contract`), and SQS behind it (`sqs`)."""
