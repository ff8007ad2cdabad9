"""Whole runs, on this machine or through a queue: started, continued, submitted, retried, watched, listed."""
