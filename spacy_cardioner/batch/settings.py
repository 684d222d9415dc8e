"""How a pipeline is run over many notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from spacy_cardioner.batch.readers.note import MAX_CHARACTERS as MAX_CHARACTERS

if TYPE_CHECKING:
    from spacy.language import Language

TIMEOUT = 600.0
# Most tokens that a pipeline processes at a time. They decide how much memory it takes.
MAX_TOKENS = 10_000


class Settings(NamedTuple):
    """How to run a pipeline, as in `spacy_cardioner.annotate`; `with_docs` keeps the documents.

    context (bool | str): Run the context component after the pipeline, with the rules of its
        language or of the named one.
    only (tuple[str, ...]): The labels of the entities to keep. Default: all.
    """

    model: str | Language
    batch_size: int = 64
    workers: int = 0
    gpu: int | None = None
    with_docs: bool = False
    timeout: float = TIMEOUT
    max_tokens: int = MAX_TOKENS
    max_characters: int = MAX_CHARACTERS
    context: bool | str = False
    only: tuple[str, ...] = ()

    @property
    def overdue(self) -> str:
        """The fault of a note that takes too long."""
        return f"not done after {self.timeout:g} seconds"
