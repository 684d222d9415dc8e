"""How a pipeline is run over many notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from spacy.language import Language

TIMEOUT = 600.0


class Settings(NamedTuple):
    """How to run a pipeline, as in `spacy_cardioner.annotate`; `with_docs` keeps the documents."""

    model: str | Language
    batch_size: int = 64
    workers: int = 0
    gpu: int | None = None
    with_docs: bool = False
    timeout: float = TIMEOUT
