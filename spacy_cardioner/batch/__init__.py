"""Runs a pipeline over many notes, from and to many formats.

`readers` give notes one at a time, `engine` annotates them, `local` and `spark` distribute the work,
`writers` write the results, and `run` connects them.
"""
