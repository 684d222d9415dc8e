"""``cardioner ensemble``: annotate texts with what several pipelines agree on."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spacy_cardioner.errors import CardionerError

if TYPE_CHECKING:
    from spacy.tokens import Doc

    from spacy_cardioner.training.ensemble import Text


class Method(str, Enum):
    """How votes are counted."""

    mean = "mean"
    majority = "majority"


class Format(str, Enum):
    """What can be written."""

    docbin = "docbin"
    tsv = "tsv"
    brat = "brat"


def ensemble(
    models: Annotated[
        list[str],
        typer.Argument(help="Pipelines with one tokenizer and the same labels: names or folders."),
    ],
    texts: Annotated[
        list[Path],
        typer.Option(
            help="What to annotate: a DocBin, raw texts in .jsonl or .jsonl.gz (key 'text'), or a "
            "folder with .txt files. Repeat for more."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="For docbin a file (.spacy) or a folder of several; for brat "
            "a folder; for tsv a file.",
        ),
    ],
    output_format: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="Default: tsv for a name ending in .tsv, or docbin."),
    ] = None,
    method: Annotated[
        Method, typer.Option(help="Mean of the probabilities, or votes that count the same.")
    ] = Method.mean,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Keep entities whose mean is greater.")
    ] = 0.5,
    max_characters: Annotated[
        int, typer.Option(min=100, help="Cut longer texts, after a line or sentence.")
    ] = 20_000,
    n_process: Annotated[int, typer.Option(min=1, help="Processes for each pipeline.")] = 1,
) -> None:
    """Annotate texts with what several pipelines agree on.

    An entity that a pipeline does not find counts as 0, one that it finds as its probability (mean)
    or as 1 (majority). A DocBin holds the mean of each entity with it, and is what `spacy train`
    takes: silver data to train a small pipeline on. In it the pieces of a long text are documents
    of their own; in BRAT and TSV they are one again.
    """
    from spacy_cardioner.training import ensemble as room

    kind = output_format or (Format.tsv if output.suffix == ".tsv" else Format.docbin)
    read = [text for path in texts for text in room.read_inputs(path, max_characters)]
    if not read:
        raise CardionerError(f"{texts[0]}: holds no text")
    docs = room.ensemble(
        models, read, method=method.value, threshold=threshold, n_process=n_process
    )
    _write(kind, output, docs, read)
    typer.echo(f"texts and pieces annotated: {len(read)}, by {len(models)} pipelines", err=True)


def _write(kind: Format, output: Path, docs: Iterator[Doc], texts: list[Text]) -> None:
    from spacy_cardioner import brat
    from spacy_cardioner.training.ensemble import joined_entities, write_silver

    if kind is Format.docbin:
        write_silver(output, docs)
    elif kind is Format.tsv:
        found = {name: entities for name, _, entities in joined_entities(docs, texts)}
        brat.write_tsv(output, found)
    else:
        output.mkdir(parents=True, exist_ok=True)
        for name, text, entities in joined_entities(docs, texts):
            brat.write_note(brat.note_from_entities(name, text, entities), output)
