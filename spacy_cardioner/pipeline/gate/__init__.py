"""Sentences that the encoder need not read."""
