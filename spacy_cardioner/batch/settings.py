"""How a pipeline is run over many notes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from spacy_cardioner.loading import load_pipeline, use_gpu

if TYPE_CHECKING:
    from spacy.language import Language

    from spacy_cardioner.batch.engine import Annotator

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


def make_annotator(settings: Settings, tick: Callable[[], None] = lambda: None) -> Annotator:
    """Load the pipeline. One given by name is reloaded when its vocabulary has grown too large.

    RAISES (CardionerError): The pipeline cannot be loaded, or there is no such GPU.
    """
    from spacy_cardioner.batch.engine import Annotator

    reload = partial(load, settings) if isinstance(settings.model, str) else None
    return Annotator(load(settings), with_docs=settings.with_docs, tick=tick, reload=reload)


def load(settings: Settings) -> Language:
    """Load the pipeline, on the GPU if the settings name one.

    RAISES (CardionerError): The pipeline cannot be loaded, or there is no such GPU.
    """
    if settings.gpu is not None:
        use_gpu(settings.gpu)
    return load_pipeline(settings.model) if isinstance(settings.model, str) else settings.model
