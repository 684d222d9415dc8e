"""The recogniser: one tagging head per label."""
