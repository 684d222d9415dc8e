"""Chooses among overlapping candidates by the words at their boundaries."""
