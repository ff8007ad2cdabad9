"""A whole run, here or on a queue: started, continued, sent, retried, watched, listed."""
