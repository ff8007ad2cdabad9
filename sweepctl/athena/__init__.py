"""A store's tables and views in Athena: as values (`catalog`), as SQL (`statements`), and created in AWS (`apply`)."""
