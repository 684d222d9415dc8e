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
def shipped(name: str) -> Path:
    """The folder of a pipeline, "es" for es_cardioner; "xx_trf" for the transformer."""
    lang, _, family = name.partition("_")
    package = f"{lang}_cardioner_{family}" if family else f"{lang}_cardioner"
    (wheel,) = (ROOT / "assets/pipelines").rglob(f"{package}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(UNPACKED.name)
    (found,) = Path(UNPACKED.name).glob(f"{package}/{package}-*")
    return found
