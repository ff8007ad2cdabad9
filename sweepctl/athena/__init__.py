"""A store's tables and views in Athena: what they are (`catalog`), as SQL (`statements`), and in AWS (`apply`)."""
