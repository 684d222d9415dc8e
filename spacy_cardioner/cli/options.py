"""Arguments and options that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import click
import typer
from typer.core import TyperCommand, TyperOption

from spacy_cardioner.errors import SHOW_TEXT, masked, plain
from spacy_cardioner.files import refuse_overlap

# Arguments that may be files or folders but are no paths: names of pipelines, KIND=FILE, or "".
NAMED = {"model", "models", "encoder", "rawtext", "sources", "corpus", "gold", "pred"}

Lang = Annotated[str, typer.Option(help="Language of the pipeline: es, en, it, or xx for several.")]
DocBins = Annotated[
    Path, typer.Option("--corpus", help="Folder that `cardioner convert --corpus` wrote.")
]
Published = Annotated[
    list[str],
    typer.Option(
        "--corpus",
        help="Folder of a published corpus (see `check-corpus`), in place of folders or files. "
        "Repeatable: for each label, the first that has it counts.",
    ),
]

Relabel = Annotated[list[str], typer.Option("--label", help="Rename a label: OLD=NEW. Repeatable.")]

# How predictions are scored.
Scored = Annotated[
    Path | None,
    typer.Option(dir_okay=False, help="Score the documents named in this file, one per line."),
]
TrainedOn = Annotated[
    list[Path],
    typer.Option(
        help="What the pipeline was trained on: a BRAT folder or a TSV. Adds the recall on names "
        "that occur in it, and on those that do not. Repeatable."
    ),
]
ScoredLabels = Annotated[list[str], typer.Option(help="Score only this label. Repeatable.")]
Resamples = Annotated[int, typer.Option(min=1, help="Number of bootstrap resamples.")]
ResamplesSeed = Annotated[int, typer.Option(min=0, help="Seed of the resamples.")]
LenientScores = Annotated[
    bool,
    typer.Option(
        "--lenient",
        help="Skip and count malformed input, and predictions for documents without gold.",
    ),
]


def named(corpora: Sequence[str]) -> list[Path]:
    """The corpora that are given. An unset variable gives "", and Path("") is this folder."""
    return [Path(corpus) for corpus in corpora if corpus]


def renames(given: Sequence[str]) -> dict[str, str]:
    """The new labels by the old ones. RAISES (typer.BadParameter): A value is not OLD=NEW."""
    found: dict[str, str] = {}
    for pair in given:
        old, _, new = pair.partition("=")
        if not re.fullmatch(r"[^\s=]+=[^\s=]+", pair) or found.setdefault(old, new) != new:
            raise typer.BadParameter(f"'{pair}' is not OLD=NEW", param_hint="--label")
    return found


def show_text(context: click.Context, _: object, wanted: bool) -> bool:
    """Show in messages what is read, also in the processes that this command starts."""
    if wanted:
        before = os.environ.get(SHOW_TEXT, "")
        os.environ[SHOW_TEXT] = "1"
        context.call_on_close(lambda: os.environ.update({SHOW_TEXT: before}))
    return wanted


class Command(TyperCommand):
    """A command with ``--show-text``, whose ``--output`` never overlaps with what it reads."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        option = TyperOption(
            param_decls=["--show-text"],
            is_flag=True,
            default=False,
            expose_value=False,
            callback=show_text,
            help="Show in messages what is read: texts, ids, columns. These are patients' data.",
        )
        self.params.append(option)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments."""
        with _plain_errors():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _plain_errors():
            if output := ctx.params.get("output"):
                refuse_overlap(self._read(ctx), [Path(output)])
            return super().invoke(ctx)

    def _read(self, ctx: click.Context) -> Iterator[Path]:
        """The files and folders that the arguments name, but the output."""
        for param in self.params:
            named = ctx.params.get(param.name or "")
            if param.name != "output" and (
                isinstance(param.type, click.Path) or param.name in NAMED
            ):
                for value in [named] if isinstance(named, (str, Path)) else named or ():
                    names = (str(value), str(value).partition("=")[2])
                    yield from map(Path, filter(os.path.exists, names))


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Errors of usage quote what is given, such as the files that a pattern of the shell names."""
    try:
        yield
    except click.UsageError as error:
        wrong: Any = error  # click declares its message final
        wrong.message = plain(masked(error.message))
        raise
