"""Reading what runs left: tables, queries, and what they say."""
