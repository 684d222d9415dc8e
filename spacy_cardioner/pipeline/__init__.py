"""spaCy components, a file each."""
