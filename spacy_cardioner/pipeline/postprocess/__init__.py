"""Rules that look at the whole note."""
