"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Lang = Annotated[str, typer.Option(help="Language of the pipeline: es, en, it, or xx for several.")]
DocBins = Annotated[
    Path, typer.Option("--corpus", help="Folder that `cardioner convert --corpus` wrote.")
]
Published = Annotated[
    Path | None,
    typer.Option(
        "--corpus", help="Folder of the MultiCardioNER corpus, in place of folders or files."
    ),
]
