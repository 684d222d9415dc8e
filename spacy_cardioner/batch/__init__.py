"""Runs a pipeline over many notes, from and to many formats.

`readers` yield notes, `engine` annotates them (in `workers` or on `spark` if wanted), `writers`
write the results, and `run` connects them.
"""
