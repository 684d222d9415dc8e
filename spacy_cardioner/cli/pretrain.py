"""``cardioner pretrain``: learn from raw texts, before there are any annotations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="pretrain",
    help="Learn from raw texts: an encoder, or word vectors.",
    no_args_is_help=True,
)

Texts = Annotated[
    list[Path],
    typer.Option(
        "--texts",
        help="Raw text: .txt, or .jsonl with the key 'text', also packed (.gz); or a DocBin "
        "(.spacy). Repeat for more.",
    ),
]


@app.command()
def mlm(
    texts: Texts,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the encoder.")],
    encoder: Annotated[
        str | None, typer.Option(help="Name or folder of the encoder to adapt to the texts.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Make a new encoder instead, with so many layers of that width: 6x384."),
    ] = None,
    vocab: Annotated[int, typer.Option(min=300, help="Wordpieces of a new encoder.")] = 16_000,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the texts.")] = 3,
    learning_rate: Annotated[
        float | None, typer.Option(help="By default 5e-5, or 5e-4 for a new encoder.")
    ] = None,
    weight_decay: Annotated[float, typer.Option(help="Of AdamW.")] = 0.01,
    batch: Annotated[int, typer.Option(min=1, help="Blocks a step.")] = 16,
    length: Annotated[int, typer.Option(min=16, help="Wordpieces a block.")] = 256,
    save_steps: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 500,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 13,
) -> None:
    """Train an encoder to guess hidden words of the texts.

    OUTPUT is used as components.transformer.model.name. The same command goes on where it was
    stopped. A GPU is used if there is one, in mixed precision.
    """
    from spacy_cardioner.training.mlm import ADAPT, NEW, parse_size, pretrain

    if (encoder is None) == (size is None):
        raise typer.BadParameter("give either --encoder or --size", param_hint="--encoder")
    start = encoder or parse_size(str(size), vocab)
    recipe = replace(
        NEW if size else ADAPT,
        epochs=epochs,
        weight_decay=weight_decay,
        batch=batch,
        length=length,
        save_steps=save_steps,
        seed=seed,
    )
    if learning_rate is not None:
        recipe = replace(recipe, learning_rate=learning_rate)
    result = pretrain(texts, _read(texts), start, output, recipe)
    loss = result["held_out_loss"]
    typer.echo(
        f"{result['blocks']['trained']} blocks, {result['steps']} steps; loss on "
        f"{result['blocks']['held_out']} other blocks: {loss['before']} before, {loss['after']} "
        "after"
    )


@app.command()
def vectors(
    texts: Texts,
    lang: Annotated[str, typer.Option(help="Language of the tokenizer: es, en, it, or xx.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the vectors.")],
    dim: Annotated[int, typer.Option(min=1, help="Numbers in a vector.")] = 96,
    buckets: Annotated[int, typer.Option(min=1, help="Rows of the table.")] = 50_000,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the texts.")] = 10,
    min_n: Annotated[int, typer.Option(min=1, help="Shortest character n-gram.")] = 3,
    max_n: Annotated[int, typer.Option(min=1, help="Longest character n-gram.")] = 6,
    cbow: Annotated[
        bool, typer.Option("--cbow", help="Predict the word from its context, not the reverse.")
    ] = False,
    threads: Annotated[
        int, typer.Option(min=1, help="With one, the same texts give the same vectors.")
    ] = 1,
) -> None:
    """Train floret vectors on the texts, with the clinical tokenizer.

    OUTPUT is used as initialize.vectors.
    """
    import srsly

    from spacy_cardioner.files import manifest
    from spacy_cardioner.tokenizer import blank
    from spacy_cardioner.training.vectors import train_vectors

    nlp = blank(lang)
    settings = {
        "dim": dim,
        "buckets": buckets,
        "epochs": epochs,
        "skipgram": not cbow,
        "min_n": min_n,
        "max_n": max_n,
        "threads": threads,
    }
    train_vectors(
        nlp,
        _read(texts),
        dim=dim,
        buckets=buckets,
        epochs=epochs,
        skipgram=not cbow,
        min_n=min_n,
        max_n=max_n,
        threads=threads,
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(output)
    srsly.write_json(output / "manifest.json", manifest(texts, {"lang": lang, **settings}))
    typer.echo(f"{output}: {len(nlp.vocab.vectors)} rows of {dim}")


def _read(files: Sequence[Path]) -> Iterator[str]:
    from spacy_cardioner.texts import read_texts

    for file in files:
        yield from read_texts(file)
