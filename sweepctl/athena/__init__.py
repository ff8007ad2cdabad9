"""A store's tables in Amazon Athena: as values (`tables`), as statements (`statements`), and made there (`catalog`)."""
