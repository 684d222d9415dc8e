"""Loading a pipeline as its settings say, and telling it from others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from spacy.language import Language

    from spacy_cardioner.annotate.engine import Annotator

TIMEOUT = 600.0


class Settings(NamedTuple):
    """How a pipeline is to be run.

    model (str | Language): An installed pipeline's name, a saved one's folder, or one itself.
    batch_size (int): How many notes at most are held at a time, for each worker.
    workers (int): How many processes to start, each with the pipeline and one thread; 0 to work in
        this process.
    gpu (int | None): The number of the GPU to run on.
    with_docs (bool): Keep the documents too.
    timeout (float): After how many seconds without a sign a worker is stuck.
    """

    model: str | Language
    batch_size: int = 64
    workers: int = 0
    gpu: int | None = None
    with_docs: bool = False
    timeout: float = TIMEOUT


def make_annotator(settings: Settings, tick: Callable[[], None] = lambda: None) -> Annotator:
    """Load the pipeline; one that has a name is loaded again when it has met many new words.

    RAISES (CardionerError): It cannot be loaded, or there is no such GPU.
    """
    from spacy_cardioner.annotate.engine import Annotator

    reload = partial(load, settings) if isinstance(settings.model, str) else None
    return Annotator(load(settings), with_docs=settings.with_docs, tick=tick, reload=reload)


def load(settings: Settings) -> Language:
    """The pipeline, on the GPU if there is to be one.

    RAISES (CardionerError): It cannot be loaded, or there is no such GPU.
    """
    from spacy_cardioner.annotate.engine import load_pipeline, use_gpu

    if settings.gpu is not None:
        use_gpu(settings.gpu)
    return load_pipeline(settings.model) if isinstance(settings.model, str) else settings.model


def identity(nlp: Language) -> dict[str, Any]:
    """What tells a pipeline from others: name, version, and a checksum of its settings.

    The checksum covers the scores and the settings that are saved with the pipeline, which differ
    from one training to the next.
    """
    import hashlib
    import json

    described = json.dumps([nlp.meta, nlp.config.to_str()], sort_keys=True, default=str)
    return {
        "name": f"{nlp.meta['lang']}_{nlp.meta['name']}",
        "version": nlp.meta["version"],
        "sha256": hashlib.sha256(described.encode()).hexdigest(),
    }
