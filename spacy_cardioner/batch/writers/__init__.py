"""Writers of annotations: BRAT, TSV, JSONL, Parquet, OMOP NOTE_NLP, DocBin, HTML."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from spacy_cardioner import __version__
from spacy_cardioner.batch.writers.base import Writer
from spacy_cardioner.batch.writers.docs import Docs
from spacy_cardioner.batch.writers.html import Html
from spacy_cardioner.batch.writers.lines import JsonLines, Tsv
from spacy_cardioner.batch.writers.omop import Omop
from spacy_cardioner.batch.writers.parquet import Parquet
from spacy_cardioner.batch.writers.standoff import Brat

__all__ = ["Output", "OutputFormat", "Writer", "guess_format", "make_writer"]


class OutputFormat(str, Enum):
    """Formats of an output."""

    jsonl = "jsonl"
    tsv = "tsv"
    brat = "brat"
    parquet = "parquet"
    omop = "omop"
    docbin = "docbin"
    html = "html"


ENDINGS = {
    ".tsv": OutputFormat.tsv,
    ".parquet": OutputFormat.parquet,
    ".csv": OutputFormat.omop,
    ".spacy": OutputFormat.docbin,
    ".html": OutputFormat.html,
}


class Output(NamedTuple):
    """A format, and the file or folder to write. None is standard output."""

    kind: OutputFormat
    path: Path | None


def guess_format(path: Path | None) -> OutputFormat:
    """The format of a file by its name: JSONL if the name does not tell it."""
    return ENDINGS.get(path.suffix.lower() if path else "", OutputFormat.jsonl)


def make_writer(
    output: Output,
    pipeline: Mapping[str, Any],
    when: datetime,
    *,
    with_text: bool = False,
    with_attributes: bool = False,
    keep: Mapping[str, str] = {},
) -> Writer:
    """Make the writer of an output.

    pipeline (Mapping[str, Any]): Identity of the pipeline, for OMOP and HTML.
    when (datetime): When the run started, for OMOP.
    keep (Mapping[str, str]): Columns of the input that JSONL, TSV and Parquet have too, and the
        names of their Arrow types.
    RAISES (CardionerError): A package that the format needs is not installed; the format has a
        column of the same name as one to keep.
    """
    kind, path = output
    if kind is OutputFormat.jsonl:
        return JsonLines(with_text=with_text, keep=keep)
    if kind is OutputFormat.tsv:
        return Tsv(with_attributes=with_attributes, keep=keep)
    if kind is OutputFormat.omop:
        ending = ".parquet" if path and path.suffix.lower() == ".parquet" else ".csv"
        name, version = pipeline["name"], pipeline["version"]
        system = f"{name} {version} (spacy_cardioner {__version__})"
        return Omop(system=system, when=when, ending=ending)
    if kind is OutputFormat.brat:
        return Brat()
    if kind is OutputFormat.parquet:
        return Parquet(keep=keep)
    return Docs() if kind is OutputFormat.docbin else Html(pipeline)
