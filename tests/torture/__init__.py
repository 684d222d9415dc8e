"""Kill, fuzz, thread and memory trials of the whole package: `make torture` prints their table."""
