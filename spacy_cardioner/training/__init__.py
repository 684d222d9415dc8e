"""Training around ``spacy train``: cross-validation and checks."""
