"""The pages that `sweepctl ui` serves: runs as they go on. They only read, by the functions that the commands call."""
