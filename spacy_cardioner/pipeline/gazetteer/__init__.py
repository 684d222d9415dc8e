"""A list of names: marks, codes, and missed entities."""
