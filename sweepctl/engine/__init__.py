"""The Rust binary: found, started, bounded in time and space, and its output checked."""
