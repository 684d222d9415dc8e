"""Notes in, annotations out: file formats and the engine that runs a pipeline over many notes."""
