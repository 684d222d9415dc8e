"""The trained pipelines of assets/pipelines, unpacked but not installed."""

from __future__ import annotations

import zipfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conftest import ROOT

# Removed when the process ends.
UNPACKED = TemporaryDirectory(prefix="pipelines-")


@cache
def shipped(lang: str) -> Path:
    """The folder of the pipeline of a language."""
    (wheel,) = (ROOT / "assets/pipelines").glob(f"{lang}_cardioner-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(UNPACKED.name)
    (found,) = Path(UNPACKED.name).glob(f"{lang}_cardioner/{lang}_cardioner-*")
    return found
