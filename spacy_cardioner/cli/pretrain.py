"""``cardioner pretrain``: train word vectors or an encoder on raw texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from spacy_cardioner.cli.options import Command, Lang
from spacy_cardioner.errors import CardionerError, echo
from spacy_cardioner.layout import LANGUAGES

app = typer.Typer(
    name="pretrain", help="Train word vectors or an encoder on raw texts.", no_args_is_help=True
)

Texts = Annotated[
    list[Path],
    typer.Option(
        help="Raw texts: .txt, .jsonl with the key 'text', also compressed (.gz); a DocBin "
        "(.spacy); or a folder with DocBins, or with notes (.txt). Repeat for more.",
    ),
]


@app.command(cls=Command)
def vectors(
    texts: Texts,
    lang: Lang,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the vectors.")],
    rawtext: Annotated[
        str, typer.Option(help="Folder with LANG.jsonl.gz, more raw texts; for xx, three of them.")
    ] = "",
    dim: Annotated[int, typer.Option(min=1, help="Width of a vector.")] = 96,
    buckets: Annotated[int, typer.Option(min=1, help="Rows of the table.")] = 50_000,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the texts.")] = 10,
    threads: Annotated[int, typer.Option(min=1, help="With 1, the result is reproducible.")] = 1,
) -> None:
    """Train floret vectors on raw texts, with the clinical tokenizer.

    OUTPUT can be used as initialize.vectors.
    """
    import srsly

    from spacy_cardioner.files import manifest
    from spacy_cardioner.loading import save_pipeline
    from spacy_cardioner.texts import read_all
    from spacy_cardioner.tokenizer import blank
    from spacy_cardioner.training.vectors import train_vectors

    nlp = blank(lang)
    files = _files(texts)
    if rawtext:
        langs = LANGUAGES if lang == "xx" else [lang]
        files += [Path(rawtext) / f"{each}.jsonl.gz" for each in langs]
    settings = {"dim": dim, "buckets": buckets, "epochs": epochs, "threads": threads}
    train_vectors(nlp, read_all(files), **settings)
    save_pipeline(nlp, output)
    srsly.write_json(output / "manifest.json", manifest(files, {"lang": lang, **settings}))
    echo(f"{output}: {len(nlp.vocab.vectors)} rows of {dim}")


@app.command(cls=Command)
def mlm(
    texts: Texts,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the encoder.")],
    encoder: Annotated[
        str | None, typer.Option(help="Name or folder of an encoder to adapt to the texts.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Train a new encoder of this size: LAYERSxWIDTH.")
    ] = None,
    vocab: Annotated[int, typer.Option(min=300, help="Wordpieces of a new encoder.")] = 16_000,
    learning_rate: Annotated[
        float | None, typer.Option(help="Default: 5e-5, or 5e-4 for a new encoder.")
    ] = None,
    weight_decay: Annotated[float, typer.Option(help="Weight decay of AdamW.")] = 0.01,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the texts.")] = 3,
    batch: Annotated[int, typer.Option(min=1, help="Blocks per step.")] = 16,
    length: Annotated[int, typer.Option(min=16, help="Wordpieces per block.")] = 256,
    save_steps: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 500,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 13,
) -> None:
    """Train an encoder with masked language modelling.

    OUTPUT can be used as components.transformer.model.name. The same command resumes an interrupted
    training. Uses a GPU, in mixed precision, if there is one.
    """
    from spacy_cardioner.texts import read_all
    from spacy_cardioner.training.mlm import ADAPT, NEW, parse_size, pretrain

    if (encoder is None) == (size is None):
        raise typer.BadParameter("give either --encoder or --size", param_hint="--encoder")
    settings: dict[str, Any] = {"weight_decay": weight_decay, "epochs": epochs, "batch": batch}
    settings |= {"length": length, "save_steps": save_steps, "seed": seed}
    if learning_rate is not None:
        settings["learning_rate"] = learning_rate
    recipe = replace(NEW if size else ADAPT, **settings)
    files = _files(texts)
    start = encoder or parse_size(str(size), vocab)
    read = read_all(files)
    result = pretrain(files, read, start, output, recipe)
    blocks, loss = result["blocks"], result["held_out_loss"]
    echo(
        f"{blocks['trained']} blocks, {result['steps']} steps; loss on {blocks['held_out']} "
        f"held-out blocks: {loss['before']} before, {loss['after']} after"
    )


@app.command(cls=Command)
def vocabulary(
    encoder: Annotated[str, typer.Argument(help="Name or folder of a multilingual encoder.")],
    texts: Texts,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the encoder.")],
) -> None:
    """Cut the vocabulary of an encoder to what texts need.

    OUTPUT can be used as components.transformer.model.name. It has the same vectors for these
    texts; others are split into smaller wordpieces, and no letter becomes unknown.
    """
    from spacy_cardioner.texts import read_all
    from spacy_cardioner.training.vocabulary import cut_vocabulary

    files = _files(texts)
    sizes = cut_vocabulary(files, read_all(files), encoder, output)
    before, after = sizes["before"], sizes["after"]
    echo(", ".join(f"{after[unit]:,} of {before[unit]:,} {unit}" for unit in after))


def _files(texts: Sequence[Path]) -> list[Path]:
    """The files given, with the DocBins of folders, and folders of notes."""
    files: list[Path] = []
    for path in texts:
        found = sorted(path.rglob("*.spacy")) if path.is_dir() else []
        if path.is_dir() and not found and not any(path.rglob("*.txt")):
            raise CardionerError(f"{path}: no .spacy files and no .txt files in this folder")
        files += found or [path]
    return files
