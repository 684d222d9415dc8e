"""What a service offers, and how much it takes on."""

from __future__ import annotations

from typing import NamedTuple

from spacy_cardioner.batch.settings import MAX_TOKENS

# Most bodies of the largest size that are in memory at a time. A stream counts as one.
BODIES = 10


class Service(NamedTuple):
    """The settings of a service.

    pipelines (tuple[str, ...]): Names of installed pipelines or folders of saved ones. The first of
        a language is its default.
    workers (int): Number of worker processes, each with all pipelines.
    timeout (float): Seconds after which a request is given up, a worker without a sign of life is
        replaced, and a client that neither sends nor reads is left.
    max_body (int): Bytes of a body.
    max_characters (int): Characters of a note.
    max_notes (int): Notes of a request that is no stream.
    queue (int): Notes that wait or are being annotated, of all requests.
    token (str): What requests must bear, "" for nothing.
    root_path (str): Where a proxy has the service, such as "/cardioner".
    access_log (bool): Tell each request on standard error.
    """

    pipelines: tuple[str, ...]
    workers: int = 2
    timeout: float = 120.0
    max_body: int = 10_000_000
    max_characters: int = 1_000_000
    max_notes: int = 500
    queue: int = 1000
    max_tokens: int = MAX_TOKENS
    token: str = ""
    root_path: str = ""
    access_log: bool = False
