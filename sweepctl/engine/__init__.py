"""The Rust binary from outside: found, started, bounded, and checked record by record."""
