"""Annotation projection: annotations of texts, carried over to translations of the texts."""
