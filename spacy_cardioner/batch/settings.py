"""How a pipeline is run over many notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from spacy.language import Language

TIMEOUT = 600.0


class Settings(NamedTuple):
    """How to run a pipeline.

    model (str | Language): Name of an installed pipeline, folder of a saved one, or a pipeline.
    batch_size (int): Most notes held in memory at a time, for each worker.
    workers (int): Number of processes, each with the pipeline and one thread. 0 runs the pipeline
        in this process.
    gpu (int | None): Number of the GPU to run on.
    with_docs (bool): Keep the documents.
    timeout (float): Seconds without a sign of life after which a worker is replaced.
    """

    model: str | Language
    batch_size: int = 64
    workers: int = 0
    gpu: int | None = None
    with_docs: bool = False
    timeout: float = TIMEOUT
