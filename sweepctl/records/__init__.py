"""What lies in a store: keys, schemas and values, and how they are read."""
