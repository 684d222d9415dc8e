"""What requests may ask for, read from JSON or from a query, with messages that quote nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated as Typed
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spacy_cardioner.batch.readers.note import SourceNote, checked
from spacy_cardioner.batch.readers.text import too_long
from spacy_cardioner.errors import shown
from spacy_cardioner.serve.languages import LANGUAGES, guess_language
from spacy_cardioner.serve.settings import Service
from spacy_cardioner.serve.worker import Choice


class Refused(Exception):
    """A request that is answered with an error.

    status (int): The status of the answer.
    message (str): What was wrong, without any of the data.
    retry (bool): Whether the same request may succeed in a moment.
    """

    def __init__(self, status: int, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry = retry


class Schema(str, Enum):
    """The fields of an answer."""

    cardioner = "cardioner"
    omop = "omop"
    dt4h = "dt4h"


class Format(str, Enum):
    """The format of a download."""

    tsv = "tsv"
    jsonl = "jsonl"
    brat = "brat"


class Options(BaseModel):
    """What is wanted of the notes."""

    model_config = ConfigDict(extra="forbid")

    pipeline: str | None = Field(
        None, description="A name that GET /pipelines lists. Default: that of the language."
    )
    lang: Literal["auto", "es", "en", "it"] = Field(
        "auto", description="The language of the notes. `auto` guesses it by common words."
    )
    labels: list[str] | None = Field(
        None,
        description="Labels of the entities to find. Default: those that the pipeline finds by "
        "default. Others that it knows can be asked for.",
    )
    context: bool = Field(
        False, description="Detect sections, negation, uncertainty, family and so on."
    )
    min_score: Typed[
        float, Field(ge=0, le=1, description="Leave out entities with a lower score.")
    ] = 0.0
    output_schema: Schema = Field(
        Schema.cardioner,
        alias="schema",
        description="The fields of the answer: those of the JSONL of `cardioner annotate`, rows of "
        "OMOP's NOTE_NLP, or records of the common data model of DataTools4Heart (CDM v2).",
    )


class Note(BaseModel):
    """A note."""

    model_config = ConfigDict(extra="forbid")

    id: str | int | None = Field(None, description="Default: its number in the request.")
    text: str | None
    footer: dict[str, Any] | None = Field(
        None, description="With `schema` dt4h: values of `record_metadata`, such as patient_id."
    )


class Body(Options):
    """Notes, or a single text, and what is wanted of them."""

    notes: list[Note] | None = Field(None, description="The notes.")
    text: str | None = Field(None, description="In place of `notes`: the text of a single note.")


class Bulk(BaseModel):
    """The request of DataTools4Heart's annotation service."""

    content: list[Note]


FIELDS = {name for model in (Body, Note, Bulk) for name in (*model.model_fields, "schema")}
KNOWN = FIELDS - {"output_schema"}


class Wanted(NamedTuple):
    """What a request wants, with the pipeline that it is asked of.

    labels (frozenset[str] | None): The labels to keep, None for all.
    """

    choice: Choice
    info: Mapping[str, Any]
    lang: str
    labels: frozenset[str] | None
    min_score: float
    schema: Schema


def parse(model: type[BaseModel], content: bytes | Mapping[str, Any]) -> Any:
    """Read JSON, or the values of a query.

    RAISES (Refused): It does not fit the model.
    """
    try:
        if isinstance(content, bytes):
            return model.model_validate_json(content)
        return model.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise Refused(422, "; ".join(map(_told, found[:3]))) from None


def _told(error: Mapping[str, Any]) -> str:
    parts = [
        f"[{part}]" if isinstance(part, int) else part if part in KNOWN else shown(part)
        for part in error["loc"]
    ]
    place = ".".join(parts).replace(".[", "[")
    return f"{place}: {error['msg']}" if place else str(error["msg"])


def read_notes(body: Body, service: Service) -> list[tuple[SourceNote, dict[str, Any]]]:
    """The notes of a request, with their footers.

    RAISES (Refused): There are none, or too many.
    """
    if (body.notes is None) == (body.text is None):
        raise Refused(422, "give either notes or text")
    notes = [Note(text=body.text)] if body.notes is None else body.notes
    if not notes:
        raise Refused(422, "notes: there are none")
    if len(notes) > service.max_notes:
        raise Refused(
            413, f"more than {service.max_notes} notes: send fewer at a time, or a stream"
        )
    return [read_note(note, number, service) for number, note in enumerate(notes, start=1)]


def read_note(note: Note, number: int, service: Service) -> tuple[SourceNote, dict[str, Any]]:
    """A note, with a fault if it cannot be annotated, and its footer."""
    given = str(number) if note.id is None else note.id
    read = checked(given, note.text, f"note {number}", str(number))
    if len(read.text) > service.max_characters:
        read = read._replace(text="", fault=too_long(service.max_characters))
    return read, note.footer or {}


def choose(
    options: Options, texts: Sequence[str], pipelines: Sequence[Mapping[str, Any]]
) -> Wanted:
    """Find the pipeline that a request is for, and check that it can do what is wanted.

    texts (Sequence[str]): The texts, if their language has to be guessed.
    RAISES (Refused): There is no such pipeline, or it cannot.
    """
    info, lang = _pipeline(options, texts, pipelines)
    labels = None if options.labels is None else frozenset(options.labels)
    if labels and not labels.issubset(info["labels"]):
        raise Refused(422, f"labels: {info['name']} has {', '.join(info['labels'])}")
    context: bool | str = False
    if options.context:
        if lang not in info["context"]:
            raise Refused(422, _no_context(info))
        context = lang if info["lang"] == "xx" else True
    choice = Choice(info["name"], tuple(sorted(labels or ())), context)
    return Wanted(choice, info, lang, labels, options.min_score, options.output_schema)


def _pipeline(
    options: Options, texts: Sequence[str], pipelines: Sequence[Mapping[str, Any]]
) -> tuple[Mapping[str, Any], str]:
    """The pipeline, and the language of the notes."""
    if options.pipeline is not None:
        named = [info for info in pipelines if info["name"] == options.pipeline]
        if not named:
            raise Refused(422, f"pipeline: there are {', '.join(p['name'] for p in pipelines)}")
        lang = named[0]["lang"]
        if lang == "xx":
            lang = options.lang if options.lang != "auto" else guess_language(texts)
        return named[0], lang
    served = {info["lang"]: info for info in reversed(pipelines)}
    known = [lang for lang in LANGUAGES if lang in served or "xx" in served]
    lang = options.lang
    if lang == "auto":
        if not known:
            return pipelines[0], pipelines[0]["lang"]
        lang = guess_language(texts, known)
    if lang not in known:
        raise Refused(422, f"lang: there are pipelines for {', '.join(served)}")
    return served.get(lang) or served["xx"], lang


def _no_context(info: Mapping[str, Any]) -> str:
    if not info["context"]:
        return f"context: {info['name']} cannot detect it here; it needs medspaCy, on the server"
    return f"context: {info['name']} detects it in {', '.join(info['context'])}"
