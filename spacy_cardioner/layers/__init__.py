"""thinc layers, a file each."""
