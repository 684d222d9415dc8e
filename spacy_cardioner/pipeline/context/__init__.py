"""Negation and other context of entities, by medspaCy's ConText."""
