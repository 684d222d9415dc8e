"""``cardioner project``: carry annotations over to translations of the notes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spacy_cardioner.cli.corpus import Lenient
from spacy_cardioner.errors import echo


def project(
    source: Annotated[Path, typer.Argument(help="Folder with .txt and .ann files.")],
    target: Annotated[
        Path, typer.Argument(help="Folder with the .txt files of the translations, same names.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The BRAT folder to write.")],
    source_lang: Annotated[
        str, typer.Option(help="Language of the annotated notes, such as es; xx: not known.")
    ] = "xx",
    target_lang: Annotated[str, typer.Option(help="Language of the translations.")] = "xx",
    encoder: Annotated[
        str,
        typer.Option(
            help="Name or folder of a multilingual encoder, whose vectors help to align words. "
            "Slower."
        ),
    ] = "",
    layer: Annotated[int, typer.Option(min=0, help="The layer of the encoder to use.")] = 8,
    min_score: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Leave out mentions with a lower score.")
    ] = 0.0,
    lenient: Lenient = False,
) -> None:
    """Carry annotations over to translations of the notes (annotation projection).

    A note and its translation have the same file name. OUTPUT has the translations with the
    mentions, each with a score, and result.json, which names every mention that was not carried.
    """
    from spacy_cardioner.files import made_once, manifest
    from spacy_cardioner.projection.encoder import Encoder
    from spacy_cardioner.projection.folders import project_folder
    from spacy_cardioner.projection.report import show

    langs = (source_lang, target_lang)
    settings = {"langs": [*langs], "encoder": encoder, "layer": layer, "min_score": min_score}
    folders = [source, target, *([Path(encoder)] if Path(encoder).is_dir() and encoder else [])]
    claim = manifest(folders, {**settings, "lenient": lenient})
    done = made_once(
        output,
        claim,
        lambda: project_folder(
            source,
            target,
            output,
            langs=langs,
            encoder=Encoder(encoder, layer) if encoder else None,
            min_score=min_score,
            lenient=lenient,
        ),
    )
    echo(show(done))
