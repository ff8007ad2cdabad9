"""The content of a store: keys, schemas and records, and how they are read."""
