"""Notes in, annotations out: file formats and the engine that runs a pipeline over many notes.

`readers` gives notes one at a time, `engine` runs a pipeline over them, `writers` takes what it
found. Every reader goes with every writer, and every note takes the same way.
"""
