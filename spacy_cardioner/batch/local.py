"""The engine of one machine: in this process, or in worker processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from spacy_cardioner.batch.readers.base import SourceNote
from spacy_cardioner.batch.settings import Settings, make_annotator
from spacy_cardioner.loading import identity

if TYPE_CHECKING:
    from spacy_cardioner.batch.engine import Annotated, Annotator


class Annotate(Protocol):
    """Annotates notes, in their order and without holding them all."""

    def __call__(self, notes: Iterable[SourceNote]) -> Iterator[Annotated]:
        """YIELDS (Annotated): Each note with what was found in it."""


@contextmanager
def started(settings: Settings) -> Iterator[tuple[Annotate, dict[str, Any]]]:
    """Load the pipeline, and let it go again.

    YIELDS (tuple[Annotate, dict[str, Any]]): What annotates notes, and the pipeline's identity.
    RAISES (CardionerError): The pipeline cannot be loaded.
    """
    if settings.workers:
        from spacy_cardioner.batch.workers import Pool

        with Pool(settings) as pool:
            yield pool, pool.identity
    else:
        annotator = make_annotator(settings)
        yield _Here(annotator, settings.batch_size), identity(annotator.nlp)


class _Here:
    """Runs the pipeline in this process."""

    def __init__(self, annotator: Annotator, batch_size: int) -> None:
        self.annotator = annotator
        self.batch_size = batch_size

    def __call__(self, notes: Iterable[SourceNote]) -> Iterator[Annotated]:
        from spacy_cardioner.batch.engine import batches

        for batch in batches(notes, self.batch_size):
            yield from self.annotator(batch)
