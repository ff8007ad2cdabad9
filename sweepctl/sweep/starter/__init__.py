"""The files that `sweepctl init` writes: a sweep file and a message, ready to run, and the JSON Schema for editors."""
