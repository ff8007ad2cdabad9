"""What `sweepctl init` writes: a sweep file and a message that run as they are, and the schema for editors."""
