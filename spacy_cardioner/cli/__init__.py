"""The console command ``cardioner``. All logic is in the rooms below."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from spacy_cardioner import __version__
from spacy_cardioner.cli import gazetteer, pretrain
from spacy_cardioner.cli.annotate import annotate
from spacy_cardioner.cli.assemble import assemble, card, narrow, package, rerank, shrink, stack
from spacy_cardioner.cli.corpus import audit, check_corpus, convert, split
from spacy_cardioner.cli.evaluate import evaluate
from spacy_cardioner.cli.options import Command, show_text
from spacy_cardioner.cli.project import project
from spacy_cardioner.cli.report import report
from spacy_cardioner.cli.serve import serve
from spacy_cardioner.cli.train import crossval, experiments, train
from spacy_cardioner.errors import HIDDEN, CardionerError, guard_warnings, reason, tell

if TYPE_CHECKING:
    from collections.abc import Callable

DESCRIPTION = "Find diseases and drugs in cardiology notes in Spanish, English and Italian."
PANELS: dict[str, tuple[Callable[..., Any] | typer.Typer, ...]] = {
    "Use pipelines": (annotate, serve, evaluate, report, gazetteer.app),
    "Corpus": (check_corpus, convert, audit, split, project),
    "Training": (pretrain.app, train, crossval, experiments),
    "Make pipelines": (stack, narrow, assemble, rerank, shrink, card, package),
}

app = typer.Typer(
    name="cardioner",
    help=DESCRIPTION,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit()


@app.callback(help=DESCRIPTION)
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
    shown: bool = typer.Option(
        False, "--show-text", callback=show_text, help="Also an option of each command."
    ),
) -> None:
    pass


for panel, commands in PANELS.items():
    for command in commands:
        if isinstance(command, typer.Typer):
            app.add_typer(command, rich_help_panel=panel)
        else:
            app.command(cls=Command, rich_help_panel=panel)(command)


def main() -> None:
    """Run the command line: status 0 for success, 1 for faulty input, 2 for wrong usage."""
    guard_warnings()
    try:
        app()
    except CardionerError as error:
        first, *others = map(str, error.args)
        fail(f"error: {first}", *others)
    except OSError as error:
        fail(f"error: {error.filename or 'the system'}: {reason(error)}")
    except Exception as error:  # its traceback, without the message, which may quote a text
        lines = "".join(traceback.format_tb(error.__traceback__)).splitlines()
        fail(*lines, f"error: {reason(error)}: this is a fault of the program, please report it")


def fail(*lines: str) -> NoReturn:
    """Print lines, how to see what they hide, and exit with status 1."""
    tell(*lines)
    if any(HIDDEN in line for line in lines):
        tell("(--show-text shows what <...> stands for; it may be patients' data)")
    sys.exit(1)
