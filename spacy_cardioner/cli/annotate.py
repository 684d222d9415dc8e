"""``cardioner annotate``: run a pipeline over notes and write what it finds."""

from __future__ import annotations

from contextlib import AbstractContextManager
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from spacy_cardioner.annotate.readers import Notes
from spacy_cardioner.annotate.writers import (
    Write,
    brat_writer,
    jsonl_writer,
    refuse_overwriting,
    tsv_writer,
)
from spacy_cardioner.errors import CardionerError


class Format(str, Enum):
    """The file formats that can be written."""

    brat = "brat"
    tsv = "tsv"
    jsonl = "jsonl"


def annotate(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="A text file in UTF-8, a folder with .txt files, or - for standard input.",
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", help="An installed pipeline (es_cardioner) or the folder of one."
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="For jsonl and tsv a file, or - for standard output; for brat a folder.",
        ),
    ] = "-",
    output_format: Annotated[
        Format,
        typer.Option("--format", "-f", help="What to write; only jsonl has the scores and codes."),
    ] = Format.jsonl,
    with_text: Annotated[
        bool, typer.Option("--with-text", help="Write the whole text of each note too (jsonl).")
    ] = False,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Leave out notes that cannot be read; say which.")
    ] = False,
    batch_size: Annotated[
        int, typer.Option(min=1, help="How many notes the pipeline gets at a time.")
    ] = 64,
) -> None:
    """Find the diseases and drugs in notes, and write them as BRAT, TSV or JSONL.

    Offsets count the characters of the input exactly as they stand there.
    """
    target = None if output == "-" else Path(output)
    writer = _writer(output_format, target, with_text)
    notes = Notes(None if source == "-" else Path(source), lenient=lenient)
    if target:
        refuse_overwriting(filter(None, notes.paths), target)
    try:
        annotated, found = _run(model, notes, writer, batch_size)
    except BrokenPipeError:
        raise
    except OSError as error:
        place = error.filename or target or "standard output"
        raise CardionerError(f"{place}: {error.strerror}") from error
    for reason in notes.skipped:
        typer.echo(f"skipped {reason}", err=True)
    typer.echo(
        f"notes annotated: {annotated}, skipped: {len(notes.skipped)}; entities found: {found}",
        err=True,
    )


def _writer(
    output_format: Format, target: Path | None, with_text: bool
) -> AbstractContextManager[Write]:
    if output_format is Format.jsonl:
        return jsonl_writer(target, with_text=with_text)
    if with_text:
        raise typer.BadParameter("goes with --format jsonl only", param_hint="--with-text")
    if output_format is Format.tsv:
        return tsv_writer(target)
    if target is None:
        raise typer.BadParameter("brat needs a folder to write to", param_hint="--output")
    return brat_writer(target)


def _run(
    model: str, notes: Notes, writer: AbstractContextManager[Write], batch_size: int
) -> tuple[int, int]:
    """Annotate everything, and count notes and entities."""
    from spacy_cardioner.annotate.engine import annotate_texts, load_pipeline

    nlp = load_pipeline(model)
    annotated = found = 0
    with writer as write:
        for note, entities in annotate_texts(nlp, notes, batch_size=batch_size, progress=True):
            write(note.id, note.text, entities)
            annotated += 1
            found += len(entities)
    return annotated, found
