"""Where annotations go: a BRAT folder, the task's TSV, or JSONL.

A writer is a context manager that gives a function to call with each note's id, text and entities.
Files appear under their own name only when they are whole: a run that fails leaves no half of one.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from spacy_cardioner import brat
from spacy_cardioner.errors import CardionerError

if TYPE_CHECKING:
    from spacy_cardioner.annotate.engine import Mention

Write = Callable[[str, str, "Sequence[Mention]"], None]


def refuse_overwriting(sources: Iterable[Path], output: Path) -> None:
    """Keep what is read safe from what is written.

    RAISES (CardionerError): `output` is one of the source files, or a folder that holds one.
    """
    for source in sources if output.exists() else ():
        if output.samefile(source) or output.samefile(source.parent):
            raise CardionerError(f"{output}: the notes are read from here; write somewhere else")


@contextmanager
def brat_writer(folder: Path) -> Iterator[Write]:
    """Writes ``id.txt`` and ``id.ann`` into a folder, each note as soon as it comes."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".cardioner-", dir=folder) as staging:

        def write(note_id: str, text: str, entities: Sequence[Mention]) -> None:
            note = brat.note_from_entities(note_id, text, map(_entity, entities))
            brat.write_note(note, Path(staging))
            for suffix in (".txt", ".ann"):
                Path(staging, note_id + suffix).replace(folder / (note_id + suffix))

        yield write


@contextmanager
def tsv_writer(path: Path | None) -> Iterator[Write]:
    """Writes the task's table, to standard output if `path` is None.

    A note without entities has no row. Line ends and tabs inside a mention become a space, as the
    table has no other way to hold them; the offsets are the note's.
    """
    with _whole(path) as stream:
        stream.write(_row(*brat.TSV_HEADER))

        def write(note_id: str, text: str, entities: Sequence[Mention]) -> None:
            if re.search(r"[\t\r\n]", note_id):
                raise CardionerError(f"{note_id!a}: a name with a tab or a line end; rename it")
            note = brat.note_from_entities(note_id, text, map(_entity, entities))
            for found in note.textbounds:
                mention = found.text.replace("\t", " ")
                stream.write(_row(note_id, found.label, found.start, found.end, mention))

        yield write


@contextmanager
def jsonl_writer(path: Path | None, *, with_text: bool = False) -> Iterator[Write]:
    """Writes one JSON object a line for each note, to standard output if `path` is None.

    with_text (bool): Give the note's text too, under "text".
    """
    with _whole(path) as stream:

        def write(note_id: str, text: str, entities: Sequence[Mention]) -> None:
            row: dict[str, Any] = {"id": note_id}
            if with_text:
                row["text"] = text
            row["entities"] = [_json_entity(mention) for mention in entities]
            stream.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")

        yield write


def _entity(mention: Mention) -> brat.Entity:
    return brat.Entity(mention.start, mention.end, mention.label, mention.text)


def _row(*columns: object) -> bytes:
    return ("\t".join(map(str, columns)) + "\n").encode()


def _json_entity(mention: Mention) -> dict[str, Any]:
    fields = mention._asdict()
    if mention.score is None:
        del fields["score"]
    if not mention.kb_id:
        del fields["kb_id"]
    return fields


@contextmanager
def _whole(path: Path | None) -> Iterator[IO[bytes]]:
    """A file that takes its name when everything is in it; or what cannot be renamed, as it is."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif path.exists() and not path.is_file():
        with path.open("wb") as stream:
            yield stream
    else:
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with partial.open("wb") as stream:
                yield stream
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
