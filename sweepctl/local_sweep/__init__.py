"""A whole sweep on this machine with what a person sees of it, for the command line and for Python alike."""
