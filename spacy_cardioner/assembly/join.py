"""A trained pipeline joined with the components that need no training."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import srsly

from spacy_cardioner.errors import CardionerError

TRANSFORMER = "transformer"


def join(config: Path, trained: Path, lang: str, corpus: Path, output: Path) -> None:
    """Assemble a pipeline with `spacy assemble`, for the family of the trained pipeline.

    config (Path): The config, see ``configs/assemble.cfg``.
    trained (Path): Folder of the trained pipeline.
    lang (str): Its language.
    corpus (Path): Folder of DocBins, to measure the precision of the names of the gazetteer.
    output (Path): Folder of the new pipeline.
    RAISES (CardionerError): The trained pipeline is missing.
    """
    from spacy.cli.assemble import assemble_cli

    try:
        transformer = TRANSFORMER in srsly.read_json(trained / "meta.json")["pipeline"]
    except (OSError, ValueError, KeyError) as error:
        raise CardionerError(f"{trained}: not the folder of a pipeline ({error})") from error
    overrides = {
        "nlp.lang": lang,
        "paths.trained": str(trained),
        "paths.corpus": str(corpus),
        "system.encoder": TRANSFORMER if transformer else "tok2vec",
        "system.transformers": srsly.json_dumps(transformer),
    }
    arguments = [part for name, value in overrides.items() for part in (f"--{name}", value)]
    context: Any = SimpleNamespace(args=arguments)
    assemble_cli(context, config, output, code_path=None, verbose=False)
