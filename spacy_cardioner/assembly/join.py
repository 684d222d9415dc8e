"""A trained pipeline joined with the components that need no training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import srsly
from spacy.util import get_sourced_components, load_config, load_model_from_config

from spacy_cardioner.assembly.stack import NER, TOK2VEC, TRANSFORMER, ner_of
from spacy_cardioner.errors import CardionerError, reason
from spacy_cardioner.loading import save_pipeline

ENCODERS = (TOK2VEC, TRANSFORMER)


def join(
    config: Path, trained: Path, lang: str, corpus: Path, output: Path, labels: Sequence[str] = ()
) -> None:
    """Assemble a pipeline as `spacy assemble` does, for the family of the trained pipeline.

    config (Path): The config, see ``configs/assemble.cfg``.
    trained (Path): Folder of the trained pipeline.
    corpus (Path): Folder of DocBins, to measure the precision of the names of the gazetteer.
    labels (Sequence[str]): The labels that the pipeline finds until its user asks for others.
        Those that it lacks are ignored. Default: all.
    RAISES (CardionerError): The trained pipeline is missing.
    """
    try:
        names = srsly.read_json(trained / "meta.json")["pipeline"]
        encoders = [name for name in ENCODERS if name in names]
    except (OSError, ValueError, KeyError) as error:
        raise CardionerError(
            f"{trained}: not the folder of a pipeline ({reason(error)})"
        ) from error
    overrides = {"nlp.lang": lang, "paths.trained": str(trained), "paths.corpus": str(corpus)}
    filled = load_config(config, overrides=overrides, interpolate=True)
    filled["nlp"]["before_creation"]["required"] = TRANSFORMER in encoders
    place = filled["nlp"]["pipeline"].index(TOK2VEC)
    filled["nlp"]["pipeline"][place : place + 1] = encoders
    source = filled["components"].pop(TOK2VEC)
    filled["components"] |= {name: {**source} for name in encoders}
    nlp = load_model_from_config(filled, auto_fill=True)
    nlp._link_components()
    with nlp.select_pipes(disable=[*get_sourced_components(filled)]):
        nlp.initialize()
    if labels:
        ner = ner_of(nlp)
        ner.active = [label for label in ner.labels if label in labels]
        nlp.get_pipe_config(NER)["labels"] = [*ner.active]  # for when it is saved
    save_pipeline(nlp, output)
