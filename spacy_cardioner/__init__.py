"""Diseases and drugs in cardiology texts in Spanish, English and Italian, as spaCy pipelines."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """``spacy_cardioner.annotate(...)`` without an import of its own."""
    if name == "annotate":
        from importlib import import_module

        return import_module("spacy_cardioner.annotate")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
