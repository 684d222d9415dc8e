"""Diseases and drugs in cardiology notes in Spanish, English and Italian, as spaCy pipelines."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["annotate"]


def __getattr__(name: str) -> Any:
    """Import `annotate` when it is first used: importing the package must not import spaCy."""
    if name == "annotate":
        from spacy_cardioner.batch.api import annotate

        return annotate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
