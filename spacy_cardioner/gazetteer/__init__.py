"""Drug lists: reads and cleans the files of registries, builds patterns, and looks names up."""
