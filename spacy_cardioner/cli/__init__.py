"""The console command ``cardioner``: one thin module per subcommand."""

from __future__ import annotations

import sys

import typer

from spacy_cardioner import __version__
from spacy_cardioner.cli import gazetteer, pretrain
from spacy_cardioner.cli.annotate import annotate
from spacy_cardioner.cli.card import card
from spacy_cardioner.cli.check_corpus import check_corpus
from spacy_cardioner.cli.convert import audit, convert
from spacy_cardioner.cli.crossval import crossval
from spacy_cardioner.cli.evaluate import evaluate
from spacy_cardioner.cli.experiments import experiments
from spacy_cardioner.cli.narrow import narrow
from spacy_cardioner.cli.rerank import rerank
from spacy_cardioner.cli.shrink import shrink
from spacy_cardioner.cli.split import split
from spacy_cardioner.cli.stack import stack
from spacy_cardioner.errors import CardionerError

app = typer.Typer(
    name="cardioner",
    help="Find diseases and drugs in cardiology notes in Spanish, English and Italian.",
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


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Find diseases and drugs in cardiology notes in Spanish, English and Italian."""


for command in (
    annotate,
    evaluate,
    check_corpus,
    audit,
    convert,
    split,
    crossval,
    card,
    experiments,
    stack,
    narrow,
    rerank,
    shrink,
):
    app.command()(command)
app.add_typer(gazetteer.app)
app.add_typer(pretrain.app)


def main() -> None:
    """Run the command line: status 0 when done, 1 when the input is at fault, 2 for wrong usage."""
    try:
        app()
    except CardionerError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        # Those that spaCy raises have a text alone.
        named = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        typer.echo(f"error: {named}", err=True)
        sys.exit(1)
