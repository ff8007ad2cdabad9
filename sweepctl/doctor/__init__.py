"""Is this machine, with its store and queue, fit for work? Every finding has a remedy."""
