"""What a worker process of the service does: it has all pipelines, and annotates batches."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from spacy_cardioner.batch.engine import Annotated, Annotator, Changed, recognisers
from spacy_cardioner.batch.mentions import known_attributes
from spacy_cardioner.batch.readers.note import SourceNote
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.workers import Message
from spacy_cardioner.errors import CardionerError, reason
from spacy_cardioner.pipeline.context.rules import RULES_FILE
from spacy_cardioner.pipeline.stored import languages
from spacy_cardioner.processes import prepare
from spacy_cardioner.serve.settings import Service


class Choice(NamedTuple):
    """What a request wants of a pipeline: `only` and `context` are those of `batch.Settings`."""

    pipeline: str
    only: tuple[str, ...] = ()
    context: bool | str = False


class Annotators:
    """The pipelines of a service, by name.

    RAISES (CardionerError): One cannot be loaded, or two have the same name.
    """

    def __init__(self, service: Service, tick: Callable[[], None] = lambda: None) -> None:
        self.by_name: dict[str, Annotator] = {}
        for model in service.pipelines:
            settings = Settings(
                model, max_tokens=service.max_tokens, max_characters=service.max_characters
            )
            annotator = Annotator(settings, tick)
            name = annotator.identity["name"]
            if name in self.by_name:
                raise CardionerError(f"{model}: another pipeline is called {name} too")
            self.by_name[name] = annotator

    def describe(self) -> dict[str, Any]:
        """The names of the pipelines, and what each of them can do."""
        return {
            "name": ", ".join(self.by_name),
            "pipelines": [_describe(annotator) for annotator in self.by_name.values()],
        }

    def __call__(self, choice: Choice, notes: Sequence[SourceNote]) -> list[Annotated]:
        """Annotate a batch. A note that cannot be annotated gets a fault.

        RAISES (Changed): The pipeline is no longer the one that was loaded first.
        """
        annotator = self.by_name[choice.pipeline]
        try:
            if (annotator.settings.only, annotator.settings.context) != choice[1:]:
                annotator.choose(choice.only, choice.context)
            return annotator(notes)
        except Changed:
            raise
        except CardionerError as error:
            if len(notes) > 1:
                return [found for note in notes for found in self(choice, [note])]
            return [Annotated(notes[0]._replace(fault=str(error)), [])]


def _describe(annotator: Annotator) -> dict[str, Any]:
    """A pipeline as ``GET /pipelines`` has it, with the languages of its context and a checksum.

    The labels of components of others are those that spaCy knows; they have no threshold.
    """
    nlp = annotator.nlp
    found = recognisers(nlp)
    known = [label for labels in nlp.pipe_labels.values() for label in labels]
    rules = languages(RULES_FILE) if find_spec("medspacy") else []
    if "negated" in known_attributes(nlp):
        rules = [str(nlp.lang)]
    return {
        "name": annotator.identity["name"],
        "version": annotator.identity["version"],
        "lang": nlp.lang,
        "labels": list(dict.fromkeys(label for pipe in found for label in pipe.labels) or known),
        "active": list(dict.fromkeys(label for pipe in found for label in pipe.active) or known),
        "threshold": min((pipe.threshold for pipe in found), default=None),
        "context": [lang for lang in rules if nlp.lang in (lang, "xx")],
        "sha256": annotator.identity["sha256"],
    }


def work(connection: Connection, service: Service) -> None:
    """Annotate batches until the connection is closed."""
    prepare()
    # A supervisor may signal all processes. The parent ends this one when it has answered.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        annotators = Annotators(service, tick=lambda: connection.send((Message.TICK, None)))
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(1)
        connection.send((Message.LOADED, annotators.describe()))
        while True:
            connection.send((Message.DONE, annotators(*connection.recv())))
    except CardionerError as error:
        connection.send((Message.FAULT, error.args))
    except (EOFError, OSError):
        return  # the parent has closed the connection
    except Exception as error:
        connection.send((Message.FAULT, (f"a worker process failed ({reason(error)})",)))
