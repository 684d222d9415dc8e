"""What is answered: annotated notes as JSON in one of the schemas, or as a file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from spacy_cardioner import __version__, brat
from spacy_cardioner.batch.engine import Annotated
from spacy_cardioner.batch.run import rendered
from spacy_cardioner.batch.writers.brat_conf import (
    ANNOTATION,
    OURS,
    VISUAL,
    annotation_conf,
    visual_conf,
)
from spacy_cardioner.batch.writers.lines import JsonLines, Tsv, json_entity
from spacy_cardioner.batch.writers.omop import Omop
from spacy_cardioner.batch.writers.standoff import Brat, Rendered
from spacy_cardioner.serve import dt4h
from spacy_cardioner.serve.request import Format, Schema, Wanted

JSON, NDJSON = "application/json", "application/x-ndjson"
TYPES = {
    Format.jsonl: NDJSON,
    Format.tsv: "text/tab-separated-values; charset=utf-8",
    Format.brat: "application/zip",
}
NAMES = {Format.jsonl: "notes.jsonl", Format.tsv: "notes.tsv", Format.brat: "notes.zip"}

Footers = Sequence[Mapping[str, Any]]


def kept(found: Annotated, wanted: Wanted) -> Annotated:
    """A note with the entities that are wanted."""
    return found._replace(
        mentions=[
            mention
            for mention in found.mentions
            if (wanted.labels is None or mention.label in wanted.labels)
            and (mention.score is None or mention.score >= wanted.min_score)
        ]
    )


class Renderer:
    """Renders notes as objects of a schema. The rows of OMOP are numbered from 1."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.rows = 0
        name, version = wanted.info["name"], wanted.info["version"]
        system = f"{name} {version} (spacy_cardioner {__version__})"
        self.omop = Omop(system=system, when=datetime.now())

    def __call__(self, found: Annotated, footer: Mapping[str, Any]) -> dict[str, Any]:
        """The object of a note, with only its id and why if it has a fault."""
        found = kept(found, self.wanted)
        render = {Schema.cardioner: _entities, Schema.omop: self._rows}.get(
            self.wanted.schema, lambda found: self._record(found, footer)
        )
        results, fault = rendered(found, [render])
        return {"id": found.note.id, **({"error": fault} if fault else results[0])}

    def _rows(self, found: Annotated) -> dict[str, Any]:
        rows = self.omop.records(found)
        for row in rows:
            self.rows += 1
            row["note_nlp_id"] = self.rows
        return {"note_nlp": rows}

    def _record(self, found: Annotated, footer: Mapping[str, Any]) -> dict[str, Any]:
        return dt4h.record(found, footer, self.wanted.info, self.wanted.lang)


def _entities(found: Annotated) -> dict[str, Any]:
    names = found.names or {}
    entities = []
    for mention in found.mentions:
        entity = json_entity(mention)
        if mention.kb_id in names:
            entity["kb_name"] = names[mention.kb_id]
        entities.append(entity)
    starts = [*found.sections, (len(found.note.text), "")]
    return {
        "entities": entities,
        "sections": [
            {"start": start, "end": end, "category": category}
            for (start, category), (end, _) in pairwise(starts)
        ],
    }


def to_json(answer: Any) -> bytes:
    """An answer as JSON."""
    return json.dumps(answer, ensure_ascii=False, default=_iso, separators=(",", ":")).encode()


def _iso(value: date) -> str:
    return value.isoformat()


def as_object(notes: Sequence[Annotated], footers: Footers, wanted: Wanted) -> dict[str, Any]:
    """The answer to a request."""
    render = Renderer(wanted)
    objects = [render(found, footer) for found, footer in zip(notes, footers, strict=True)]
    return {
        "pipeline": wanted.info["name"],
        "lang": wanted.lang,
        "notes": [one for one in objects if "error" not in one],
        "failed": [one for one in objects if "error" in one],
    }


def as_file(notes: Sequence[Annotated], wanted: Wanted, kind: Format) -> tuple[bytes, int]:
    """A download. RETURNS (tuple[bytes, int]): Its content, and how many notes it lacks."""
    notes = [kept(found, wanted) for found in notes]
    if kind is Format.brat:
        return _zip(notes)
    writer = JsonLines() if kind is Format.jsonl else Tsv(with_attributes=True)
    results = [rendered(found, [writer.render])[0] for found in notes]
    content = b"".join(each for (each,) in filter(None, results))
    return writer.head + content + writer.foot, results.count([])


def _of_note(one: Rendered) -> dict[PurePosixPath, bytes]:
    contents = brat.note_files(one.note)
    return {
        one.place.parent / f"{one.note.name}{ending}": content
        for ending, content in contents.items()
    }


def _zip(notes: Sequence[Annotated]) -> tuple[bytes, int]:
    """A folder of BRAT with its configuration, in memory."""
    writer = Brat()
    files: dict[PurePosixPath, bytes] = {}
    known: set[tuple[str, str]] = set()
    failed = 0
    for found in notes:
        results, _ = rendered(found, [writer.render])
        new = _of_note(results[0]) if results else {}
        if not new or files.keys() & new.keys():  # each note needs files of its own
            failed += 1
            continue
        files |= new
        known |= results[0].known
    for name, text in ((ANNOTATION, annotation_conf), (VISUAL, visual_conf)):
        files.setdefault(PurePosixPath(name), (OURS + text(frozenset(known))).encode())
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(str(path), content)
    return stream.getvalue(), failed
