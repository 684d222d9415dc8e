"""The commands that make pipelines from trained parts, and package them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from spacy_cardioner.cli.options import DocBins, Lang
from spacy_cardioner.errors import echo
from spacy_cardioner.files import write_texts
from spacy_cardioner.loading import load_pipeline, save_pipeline

Model = Annotated[str, typer.Argument(help="An installed pipeline, or the folder of one.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder of the new pipeline.")]
Metrics = Annotated[
    Path | None, typer.Option(help="Folder that `cardioner evaluate --corpus` wrote.")
]


def stack(
    models: Annotated[
        list[str],
        typer.Argument(
            help="Pipelines of one config, with the same vectors; and one with a transformer."
        ),
    ],
    output: Output,
    transformer_weight: Annotated[
        float, typer.Option(help="Weight of the transformer's scores, between 0 and 1.")
    ] = 0.5,
) -> None:
    """Stack pipelines of several seeds into one, or a transformer beside them.

    The new pipeline averages the scores of all members, and takes the time of all their encoders.
    The members have a `cardioner_ner` without a hidden layer. The CNNs share the weight that the
    transformer leaves. A label that only one family has keeps its scores.
    """
    from spacy_cardioner.assembly.stack import stack as stack_pipelines

    members = [load_pipeline(model) for model in models]
    save_pipeline(stack_pipelines(members, transformer_weight=transformer_weight), output)


def narrow(
    model: Model,
    output: Output,
    lang: Annotated[str, typer.Option(help="Language code of the new pipeline.")],
    label: Annotated[
        list[str], typer.Option(help="A label to keep. Repeat for more. Default: all.")
    ] = [],  # noqa: B006
) -> None:
    """Narrow a pipeline to one language and some labels.

    What the `cardioner_ner` finds for these labels does not change.
    """
    from spacy_cardioner.assembly.narrow import narrow as narrow_pipeline

    save_pipeline(narrow_pipeline(load_pipeline(model), lang=lang, labels=label), output)


def assemble(
    config: Annotated[Path, typer.Argument(help="A config, such as configs/assemble.cfg.")],
    model: Annotated[Path, typer.Argument(help="Folder of the trained pipeline.")],
    lang: Lang,
    corpus: DocBins,
    output: Output,
    label: Annotated[
        list[str],
        typer.Option(help="A label to find by default. Repeat for more. [default: all]"),
    ] = [],  # noqa: B006
) -> None:
    """Join a trained pipeline with the untrained components.

    This is `spacy assemble`, with the encoder of the trained pipeline: a CNN or a transformer.
    """
    from spacy_cardioner.assembly.join import join

    join(config, model, lang, corpus, output, label)


def rerank(
    model: Model,
    run: Annotated[Path, typer.Argument(help="Folder that `cardioner crossval` wrote.")],
    label: Annotated[list[str], typer.Option(help="A label to rerank. Repeat for more.")],
    corpus: DocBins,
    output: Output,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Drop less probable entities. [default: 0.4]"),
    ] = None,
) -> None:
    """Add a component that reranks the boundaries of entities.

    It learns from the entities that the pipelines of all folds find in their held-out documents. It
    pays for labels with long entities. A pipeline without such a label, or a run with one fold, is
    copied unchanged.
    """
    from spacy_cardioner.assembly.rerank import rerank as rerank_pipeline

    nlp = load_pipeline(model)
    reranked = rerank_pipeline(nlp, run, corpus, label, threshold)
    save_pipeline(nlp, output)
    echo(f"reranked labels: {', '.join(reranked) or 'none'}")


def shrink(
    model: Model,
    output: Output,
    weight_bits: Annotated[int, typer.Option(min=1, max=20, help="Precision of the weights.")] = 5,
    vector_bits: Annotated[
        int, typer.Option(min=1, max=20, help="Precision of the word vectors.")
    ] = 3,
) -> None:
    """Round the weights of a pipeline, to shrink its wheel.

    The wheel shrinks to about a third; memory and speed do not change. Evaluate the pipeline
    afterwards. Precision: how often the rounding step, a standard deviation, is halved.
    """
    from spacy_cardioner.assembly.rounding import round_weights

    nlp = load_pipeline(model)
    round_weights(nlp, weight_bits=weight_bits, vector_bits=vector_bits)
    save_pipeline(nlp, output)


def card(
    template: Annotated[
        Path, typer.Argument(help="JSON with description, licence and sources of the data.")
    ],
    lang: Lang,
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON file to write.")],
    metrics: Metrics = None,
    name: Annotated[
        str, typer.Option(help="Name of the package, without the language.")
    ] = "cardioner",
) -> None:
    """Write meta data for `spacy package`, with scores."""
    from spacy_cardioner.assembly.card import make_card

    made = make_card(template, metrics, lang, name)
    write_texts({output: f"{json.dumps(made, indent=2, ensure_ascii=False)}\n"})


def package(
    model: Annotated[Path, typer.Argument(help="Folder of the pipeline.")],
    template: Annotated[Path, typer.Option("--card", help="As for `cardioner card`.")],
    lang: Lang,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the wheel.")],
    metrics: Metrics = None,
    version: Annotated[str, typer.Option(help="Version of the package.")] = "0.1.0",
    ship: Annotated[str, typer.Option(help="Folder for a copy of the wheel, if not empty.")] = "",
) -> None:
    """Build the wheel of a pipeline, with its model card.

    The name is LANG_cardioner, or LANG_cardioner_trf if the pipeline has a transformer.
    OUTPUT/requirements.txt lists the wheel and its checksum, for `pip install --no-deps -r`.
    """
    from spacy_cardioner.assembly.card import deliver
    from spacy_cardioner.assembly.card import package as build

    wheel = build(model, template, metrics, lang, version, output)
    echo(f"built: {wheel}")
    if ship:
        deliver(wheel, Path(ship))
