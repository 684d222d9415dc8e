"""Where annotations go: BRAT, the task's TSV, JSONL, Parquet, OMOP's NOTE_NLP, DocBin, HTML."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from spacy_cardioner.batch.writers.base import (
    Writer,
    opened,
    opened_part,
    refuse_overwriting,
)
from spacy_cardioner.batch.writers.docs import Docs, Html
from spacy_cardioner.batch.writers.lines import JsonLines, Tsv
from spacy_cardioner.batch.writers.omop import Omop
from spacy_cardioner.batch.writers.parquet import Parquet
from spacy_cardioner.batch.writers.standoff import Brat

__all__ = [
    "Omop",
    "Output",
    "OutputFormat",
    "Writer",
    "guess_format",
    "make_writer",
    "opened",
    "opened_part",
    "refuse_overwriting",
]


class OutputFormat(str, Enum):
    """What an output can be."""

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
    """What to write, and where to.

    path (Path | None): The file or folder; None for standard output.
    """

    kind: OutputFormat
    path: Path | None


def guess_format(path: Path | None) -> OutputFormat:
    """The format that a name's ending says; JSONL where it says nothing."""
    return ENDINGS.get(path.suffix.lower() if path else "", OutputFormat.jsonl)


def make_writer(
    output: Output,
    *,
    system: str,
    when: datetime,
    with_text: bool = False,
    with_attributes: bool = False,
) -> Writer:
    """The writer of a format.

    system (str): The pipeline and its version, which OMOP's rows name.
    when (datetime): When the run was started, for the same.
    with_text (bool): Give the notes' texts too, in JSONL.
    with_attributes (bool): Give all that is known of a mention, in TSV.
    RAISES (CardionerError): A package that the format needs is not installed.
    """
    kind, path = output
    if kind is OutputFormat.jsonl:
        return JsonLines(with_text=with_text)
    if kind is OutputFormat.tsv:
        return Tsv(with_attributes=with_attributes)
    if kind is OutputFormat.omop:
        parquet = path is not None and path.suffix.lower() == ".parquet"
        return Omop(system=system, when=when, ending=".parquet" if parquet else ".csv")
    simple: dict[OutputFormat, Callable[[], Writer]] = {
        OutputFormat.brat: Brat,
        OutputFormat.parquet: Parquet,
        OutputFormat.docbin: Docs,
        OutputFormat.html: Html,
    }
    return simple[kind]()
