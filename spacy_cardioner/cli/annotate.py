"""``cardioner annotate``: run a pipeline over notes and write what it finds."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spacy_cardioner.batch.manifest import ERRORS
from spacy_cardioner.batch.readers import InputFormat, open_source
from spacy_cardioner.batch.readers.places import places
from spacy_cardioner.batch.settings import MAX_CHARACTERS, MAX_TOKENS, TIMEOUT, Settings
from spacy_cardioner.batch.writers import Output, OutputFormat, guess_format
from spacy_cardioner.errors import CardionerError, masked, needs, reason, shown, tell, text_is_shown
from spacy_cardioner.files import refuse_overlap
from spacy_cardioner.texts import UTF_8, encoding_name

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Input = partial(typer.Option, rich_help_panel="Input")
Long = partial(typer.Option, rich_help_panel="Long runs")
Run = partial(typer.Option, rich_help_panel="Engine")
SOME_FAILED = 3
STOPPED = 130
# What an error of Spark tells without data: our own message in the traceback of a Python process,
# a missing package, Spark's name of the error, or the class of Java.
SPARK = (
    r"CardionerError: (.+)",
    r"(No module named '[\w.]+')",
    r"(?:^|Exception: )\[([A-Z][A-Z0-9_.]+)\]",
    r"\n: ([\w.$]+)",
)
# Outputs with columns that may be those of the input: NOTE_NLP has its own, and the id of the note.
KEPT = {OutputFormat.jsonl, OutputFormat.parquet, OutputFormat.tsv}
SPARK_FORMATS = {OutputFormat.parquet, OutputFormat.jsonl, OutputFormat.tsv, OutputFormat.omop}


class Engine(str, Enum):
    """What runs the pipeline."""

    local = "local"
    spark = "spark"


def annotate(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="A text file, a table (JSONL, CSV, TSV, Parquet), a folder of them, a "
            "pattern in quotes (`'notes/**/*.txt'`), the address of a database "
            "(`postgresql+psycopg://user@host/db`), or - for standard input. Files may be "
            "compressed (.gz, .bz2, .xz).",
        ),
    ],
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="An installed pipeline (es_cardioner) or its folder."),
    ],
    outputs: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="A file (for brat, a folder), or - for standard output, the default. Repeatable.",
        ),
    ] = None,
    output_formats: Annotated[
        list[OutputFormat] | None,
        typer.Option(
            "--format",
            "-f",
            help="The format of each output. Default: by its name (.tsv, .parquet, .csv for omop, "
            ".spacy for docbin, .html), else jsonl.",
        ),
    ] = None,
    only: Annotated[
        list[str],
        typer.Option(
            help="Write only entities with this label, also if the pipeline does not find it by "
            "default. Repeatable."
        ),
    ] = [],  # noqa: B006
    with_text: Annotated[
        bool, typer.Option("--with-text", help="Write the texts too (jsonl).")
    ] = False,
    with_attributes: Annotated[
        bool,
        typer.Option(
            "--with-attributes",
            help="Add columns for score, code, section, negation and so on (tsv). Other formats "
            "always have them, and so has tsv with --context.",
        ),
    ] = False,
    context: Annotated[
        bool,
        typer.Option(
            "--context",
            help="Detect negation, uncertainty, family and so on, if the pipeline does not. It "
            "needs medspaCy.",
        ),
    ] = False,
    lang: Annotated[
        str | None,
        typer.Option(
            help="Language of the notes for --context: es, en or it. Default: that of the "
            "pipeline; one of several languages (xx) needs it."
        ),
    ] = None,
    input_format: Annotated[
        InputFormat | None, Input(help="Format of the input. Default: by its name.")
    ] = None,
    text_column: Annotated[
        str | None, Input(help="Column of the texts. Default: by its name.")
    ] = None,
    id_column: Annotated[str | None, Input(help="Column of the ids. Default: by its name.")] = None,
    keep: Annotated[
        list[str] | None,
        Input(
            metavar="COLUMN",
            help="Write this column of the input too, such as person_id (jsonl, parquet, tsv). "
            "Repeatable.",
        ),
    ] = None,
    encoding: Annotated[
        str, Input(help="Encoding of text, CSV and TSV, such as cp1252 or latin-1.")
    ] = UTF_8,
    table: Annotated[str, Input(help="Table of the database.")] = "note",
    recursive: Annotated[bool, Input("--recursive", "-r", help="Read subfolders too.")] = False,
    lenient: Annotated[bool, Long("--lenient", help="Exit status 0 even if notes failed.")] = False,
    max_errors: Annotated[
        int | None, Long(min=0, help="Stop when more notes than this fail. Default: never.")
    ] = None,
    part_size: Annotated[
        int | None,
        Long(
            min=1,
            help="Write each output as a folder of parts with this many notes. A stopped run can "
            f"be resumed, and {ERRORS} lists notes that failed.",
        ),
    ] = None,
    resume: Annotated[
        bool, Long("--resume", help="Continue a stopped run in parts, if any.")
    ] = False,
    overwrite: Annotated[bool, Long("--overwrite", help="Replace existing outputs.")] = False,
    engine: Annotated[Engine, Run(help="This machine or Spark.")] = Engine.local,
    workers: Annotated[int, Run(min=0, help="Worker processes; 0 runs in this one.")] = 0,
    batch_size: Annotated[int, Run(min=1, help="Notes in a batch.")] = 64,
    gpu: Annotated[int | None, Run(min=0, help="Number of the GPU.")] = None,
    timeout: Annotated[
        float,
        Run(min=1, help="Seconds without a sign of life after which a note fails."),
    ] = TIMEOUT,
    max_tokens: Annotated[
        int,
        Run(
            min=1,
            help="Tokens processed at a time. Longer notes are split; fewer need less memory, "
            "about 15 MB for 1,000.",
        ),
    ] = MAX_TOKENS,
    max_characters: Annotated[
        int, Run(min=1, help="A note with more characters fails.")
    ] = MAX_CHARACTERS,
) -> None:
    """Find the diseases and drugs in notes, and write them in one or more formats.

    Offsets count the characters of the input exactly as they are. A Parquet file:

        cardioner annotate notes.parquet -m es_cardioner -o found.parquet

    With what is negated, of the family and so on, and two columns of the input:

        cardioner annotate notes.csv -m es_cardioner -o found.tsv --context
            --keep person_id --keep date

    Millions of notes with four processes; run it again to continue after a stop:

        cardioner annotate notes/ -m es_cardioner -o found --format parquet
            --part-size 10000 --workers 4 --resume

    Exit status: 0 done, 1 error, 2 wrong usage, 3 done but some notes failed.
    """
    names = outputs or ["-"]
    kinds = output_formats or [guess_format(Path(name)) for name in names]
    on_spark = engine is Engine.spark
    in_folders = on_spark or part_size is not None
    needs_folder = [in_folders or kind is OutputFormat.brat for kind in kinds]
    no_jsonl, no_tsv = OutputFormat.jsonl not in kinds, OutputFormat.tsv not in kinds
    no_columns = KEPT.isdisjoint(kinds)
    foreign = not SPARK_FORMATS.issuperset(kinds)
    local = "needs --engine local"
    checks = (
        ("--format", "needs one for each --output, or none", len(kinds) != len(names)),
        ("--format", "Spark writes jsonl, omop, parquet, tsv", on_spark and foreign),
        ("--output", "two outputs have the same name", len({*names}) < len(names)),
        ("--output", "needs a folder", ("-", True) in zip(names, needs_folder, strict=False)),
        ("--with-text", "needs --format jsonl", with_text and no_jsonl),
        ("--with-attributes", "needs --format tsv", with_attributes and no_tsv),
        ("--keep", f"needs an output in {', '.join(sorted(KEPT))}", bool(keep) and no_columns),
        ("--lang", "needs --context", lang is not None and not context),
        ("--part-size", local, on_spark and part_size is not None),
        ("--resume", local, on_spark and resume),
        ("--workers", local, on_spark and workers > 0),
        ("--timeout", local, on_spark and timeout != TIMEOUT),
        ("--resume", "needs --part-size", resume and part_size is None),
        ("--overwrite", "excludes --resume", resume and overwrite),
    )
    for option, message, wrong in checks:
        if wrong:
            raise typer.BadParameter(message, param_hint=option)
    settings = Settings(
        model,
        batch_size,
        workers,
        gpu,
        timeout=timeout,
        max_tokens=max_tokens,
        max_characters=max_characters,
        context=lang or True if context else False,
        only=tuple(only),
    )
    options: dict[str, Any] = {
        "with_text": with_text,
        "with_attributes": with_attributes or context,
        "max_errors": max_errors,
        "overwrite": overwrite,
    }
    kept = tuple(dict.fromkeys(keep or ()))
    saved = [Path(model)] if os.path.exists(model) else []
    if on_spark:
        from spacy_cardioner.batch.readers.columns import Wanted, choose
        from spacy_cardioner.batch.spark import bare, read_notes, run_spark

        refuse_overlap([*places(bare(source)), *saved], [Path(bare(name)) for name in names])
        with _stops_told(names), _spark() as session:
            encoding = encoding_name(encoding)
            notes = read_notes(
                session, source, input_format, recursive=recursive, encoding=encoding
            )
            wanted = Wanted(text_column, id_column, kept)
            columns = choose(masked(source), notes.columns, wanted, needs_id=True)
            tell(*columns.guessed)
            folders = list(zip(kinds, names, strict=True))
            counts = run_spark(notes, columns, settings, folders, encoding=encoding, **options)
    else:
        from spacy_cardioner.batch.run import Job, run

        opened = open_source(
            source,
            input_format,
            text_column,
            id_column,
            keep=kept,
            table=table,
            recursive=recursive,
            encoding=encoding,
            max_characters=max_characters,
        )
        tell(*opened.columns.guessed)
        paths = [None if name == "-" else Path(name) for name in names]
        targets = list(map(Output, kinds, paths))
        options |= {"part_size": part_size, "resume": resume, "progress": True}
        options["inputs"] = [*places(source), *saved]
        with _stops_told(names, resumable=part_size is not None):
            counts = run(Job(opened, settings, targets, **options))
    if counts.errors and in_folders:
        tell(f"the notes that failed are listed in {names[0].rstrip('/')}/{ERRORS}")
    notes_done = f"notes annotated: {counts.notes}, skipped: {counts.errors}"
    tell(f"{notes_done}; entities found: {counts.mentions}")
    if counts.of_components:
        counted = counts.of_components.items()
        tell("; ".join(f"{name}: {round(number, 1):,}" for name, number in counted))
    if counts.errors and not lenient:
        raise typer.Exit(SOME_FAILED)


@contextmanager
def _spark() -> Iterator[SparkSession]:
    """Start Spark, and reduce its errors to one line."""
    with needs("pyspark", "spark"):
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    try:
        with SparkSession.builder.appName("cardioner annotate").getOrCreate() as session:
            if not text_is_shown():
                session.sparkContext.setLogLevel("OFF")  # Spark logs rows that it cannot read
            yield session
    except (Py4JError, PySparkException) as error:
        message = str(error)
        named = next(filter(None, (re.search(each, message) for each in SPARK)), None)
        what = f"{named[1]} " if named else ""
        raise CardionerError(f"Spark: {what}({shown(message)})") from error


@contextmanager
def _stops_told(names: Sequence[str], *, resumable: bool = False) -> Iterator[None]:
    """Say what happens to the work after Ctrl-C or a full disk."""
    kept = "; finished parts are kept, and --resume continues" if resumable else ""
    try:
        yield
    except KeyboardInterrupt:
        tell(f"stopped{kept}")
        raise typer.Exit(STOPPED) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        place = error.filename or ", ".join(names)
        raise CardionerError(f"{place}: {reason(error)}{kept}") from error
