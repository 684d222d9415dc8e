"""Diseases and drugs in cardiology texts in Spanish, English and Italian, as spaCy pipelines."""

from __future__ import annotations

__version__ = "0.1.0"
