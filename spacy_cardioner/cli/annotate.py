"""``cardioner annotate``: run a pipeline over notes and write what it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spacy_cardioner.batch.manifest import ERRORS
from spacy_cardioner.batch.readers import InputFormat, open_source
from spacy_cardioner.batch.settings import TIMEOUT, Settings
from spacy_cardioner.batch.writers import Output, OutputFormat, guess_format
from spacy_cardioner.errors import CardionerError

if TYPE_CHECKING:
    from spacy_cardioner.batch.run import Summary

INPUT, OUTPUT, LONG, ENGINE = "Input", "Output", "Long runs", "Engine"

# Some notes failed, and nobody said beforehand that they may.
SOME_FAILED = 3
STOPPED = 130


SPARK_FORMATS = {OutputFormat.parquet, OutputFormat.jsonl, OutputFormat.omop, OutputFormat.tsv}


class Engine(str, Enum):
    """What runs the pipeline."""

    local = "local"
    spark = "spark"


def annotate(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="A text file in UTF-8, a table (JSONL, CSV, TSV, Parquet), a folder of them, a "
            "pattern in quotes (`'notes/**/*.txt'`), the address of a database "
            "(`postgresql+psycopg://user@host/db`), or - for standard input. Files may be "
            "compressed (.gz, .bz2, .xz).",
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", help="An installed pipeline (es_cardioner) or the folder of one."
        ),
    ],
    outputs: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="A file (for brat a folder), or - for standard output, the default. May be given "
            "several times.",
        ),
    ] = None,
    output_formats: Annotated[
        list[OutputFormat] | None,
        typer.Option(
            "--format",
            "-f",
            help="What to write, once for each output. If not given, the name of the output says "
            "it: .tsv, .parquet, .csv (omop), .spacy (docbin), .html; else it is jsonl.",
        ),
    ] = None,
    with_text: Annotated[
        bool, typer.Option("--with-text", help="Write the whole text of each note too (jsonl).")
    ] = False,
    with_attributes: Annotated[
        bool,
        typer.Option(
            "--with-attributes",
            help="Add columns for score, code, section, negation and so on (tsv); the other "
            "formats have them in any case.",
        ),
    ] = False,
    input_format: Annotated[
        InputFormat | None,
        typer.Option(
            help="What the input is, where its name does not say it.", rich_help_panel=INPUT
        ),
    ] = None,
    text_column: Annotated[
        str | None,
        typer.Option(help="The column with the texts, else guessed.", rich_help_panel=INPUT),
    ] = None,
    id_column: Annotated[
        str | None,
        typer.Option(help="The column with the ids, else guessed.", rich_help_panel=INPUT),
    ] = None,
    table: Annotated[
        str, typer.Option(help="The table of a database.", rich_help_panel=INPUT)
    ] = "note",
    recursive: Annotated[
        bool,
        typer.Option(
            "--recursive", "-r", help="Read the folders in a folder too.", rich_help_panel=INPUT
        ),
    ] = False,
    lenient: Annotated[
        bool,
        typer.Option(
            "--lenient",
            help="Status 0 even if notes failed, which are left out and listed in any case.",
            rich_help_panel=LONG,
        ),
    ] = False,
    max_errors: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="How many notes may fail before the run is stopped: any number by default.",
            rich_help_panel=LONG,
        ),
    ] = None,
    part_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Write each output as a folder of numbered parts with so many notes, which a run "
            "that was stopped goes on from. Notes that fail are listed in _errors.jsonl.",
            rich_help_panel=LONG,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with a run in parts that was stopped, or begin one.",
            rich_help_panel=LONG,
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Begin again where outputs are here already, which is refused without it.",
            rich_help_panel=LONG,
        ),
    ] = False,
    engine: Annotated[
        Engine,
        typer.Option(help="This machine, or a Spark session.", rich_help_panel=ENGINE),
    ] = Engine.local,
    workers: Annotated[
        int,
        typer.Option(
            min=0,
            help="How many processes to share the notes out among; 0 to start none.",
            rich_help_panel=ENGINE,
        ),
    ] = 0,
    batch_size: Annotated[
        int,
        typer.Option(
            min=1, help="How many notes the pipeline gets at a time.", rich_help_panel=ENGINE
        ),
    ] = 64,
    gpu: Annotated[
        int | None,
        typer.Option(min=0, help="The number of a GPU to run on.", rich_help_panel=ENGINE),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            min=1,
            help="After how many seconds without a sign a worker is replaced.",
            rich_help_panel=ENGINE,
        ),
    ] = TIMEOUT,
) -> None:
    """Find the diseases and drugs in notes, and write them in one format or several.

    Offsets count the characters of the input exactly as they stand there.

    A Parquet file, with the columns guessed:

        cardioner annotate notes.parquet -m es_cardioner -o found.parquet

    Millions of notes, with four processes; the same line again goes on after a stop:

        cardioner annotate notes/ -m es_cardioner -o found --format parquet
            --part-size 10000 --workers 4 --resume

    Exit status: 0 done, 1 stopped by a fault, 2 wrong usage, 3 done but some notes failed.
    """
    names = outputs or ["-"]
    kinds = _formats(names, output_formats or [])
    _check_usage(names, kinds, engine, with_text, with_attributes, part_size, resume, overwrite)
    if engine is Engine.spark:
        from spacy_cardioner.batch.spark_run import SparkJob, run_spark

        _check_spark(kinds, workers, timeout)
        on_spark = SparkJob(
            source,
            Settings(model, batch_size=batch_size, gpu=gpu),
            list(zip(kinds, names, strict=True)),
            kind=input_format,
            text=text_column,
            note_id=id_column,
            recursive=recursive,
            with_text=with_text,
            with_attributes=with_attributes,
            max_errors=max_errors,
            part_size=part_size,
            resume=resume,
            overwrite=overwrite,
            say=partial(typer.echo, err=True),
        )
        summary = _run(partial(run_spark, on_spark), names, resumable=True)
    else:
        from spacy_cardioner.batch.run import Job, run, wants_docs

        notes = open_source(
            source,
            kind=input_format,
            recursive=recursive,
            text=text_column,
            note_id=id_column,
            table=table,
        )
        for choice in notes.choices:
            typer.echo(choice, err=True)
        targets = [
            Output(kind, None if name == "-" else Path(name))
            for kind, name in zip(kinds, names, strict=True)
        ]
        settings = Settings(
            model,
            batch_size=batch_size,
            workers=workers,
            gpu=gpu,
            with_docs=wants_docs(targets),
            timeout=timeout,
        )
        job = Job(
            notes,
            settings,
            targets,
            with_text=with_text,
            with_attributes=with_attributes,
            max_errors=max_errors,
            part_size=part_size,
            resume=resume,
            overwrite=overwrite,
            progress=True,
        )
        summary = _run(partial(run, job), names, resumable=part_size is not None)
    listed = part_size is not None or engine is Engine.spark
    _report(summary, f"{names[0].rstrip('/')}/{ERRORS}" if listed else "")
    if summary.failed and not lenient:
        raise typer.Exit(SOME_FAILED)


def _formats(names: Sequence[str], formats: Sequence[OutputFormat]) -> list[OutputFormat]:
    """The format of each output."""
    if formats and len(formats) != len(names):
        raise typer.BadParameter("once for each --output, or never", param_hint="--format")
    return list(formats) or [guess_format(Path(name)) for name in names]


def _check_usage(
    names: Sequence[str],
    kinds: Sequence[OutputFormat],
    engine: Engine,
    with_text: bool,
    with_attributes: bool,
    part_size: int | None,
    resume: bool,
    overwrite: bool,
) -> None:
    """What is wrong with the options whatever the input is."""
    spark = engine is Engine.spark
    if len(set(names)) < len(names):
        raise typer.BadParameter("two of the same name", param_hint="--output")
    folders = [part_size is not None or spark or kind is OutputFormat.brat for kind in kinds]
    if "-" in names and folders[list(names).index("-")]:
        raise typer.BadParameter("this needs a folder to write to", param_hint="--output")
    for option, given, needed in (
        ("--with-text", with_text, OutputFormat.jsonl),
        ("--with-attributes", with_attributes, OutputFormat.tsv),
    ):
        if given and needed not in kinds:
            raise typer.BadParameter(f"goes with --format {needed.value} only", param_hint=option)
    if resume and part_size is None and not spark:
        raise typer.BadParameter("goes with --part-size only", param_hint="--resume")
    if resume and overwrite:
        raise typer.BadParameter("not together with --resume", param_hint="--overwrite")


def _check_spark(kinds: Sequence[OutputFormat], workers: int, timeout: float) -> None:
    """What Spark cannot do, or does by itself."""
    if not set(kinds) <= SPARK_FORMATS:
        able = ", ".join(sorted(SPARK_FORMATS))
        raise typer.BadParameter(f"Spark writes {able}", param_hint="--format")
    for option, given in (("--workers", workers != 0), ("--timeout", timeout != TIMEOUT)):
        if given:
            raise typer.BadParameter(
                "is for this machine; Spark has settings of its own", param_hint=option
            )


def _run(work: Callable[[], Summary], names: Sequence[str], *, resumable: bool) -> Summary:
    """Do it, and tell of a stop how to go on."""
    again = "; what is done is kept, and --resume goes on" if resumable else ""
    try:
        return work()
    except KeyboardInterrupt:
        typer.echo(f"stopped{again}", err=True)
        raise typer.Exit(STOPPED) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        place = error.filename or ", ".join(names)
        raise CardionerError(f"{place}: {error.strerror or error}{again}") from error


def _report(summary: Summary, errors: str) -> None:
    if errors and summary.failed:
        typer.echo(f"the notes that failed are listed in {errors}", err=True)
    typer.echo(
        f"notes annotated: {summary.annotated}, skipped: {summary.failed}; "
        f"entities found: {summary.mentions}",
        err=True,
    )
