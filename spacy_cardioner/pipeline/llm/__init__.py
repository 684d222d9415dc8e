"""Entities from a large language model: the parts that spacy-llm's component `llm` takes."""
