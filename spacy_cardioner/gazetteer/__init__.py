"""Lists of names: registries' files read, cleaned and written as patterns; names looked up."""
