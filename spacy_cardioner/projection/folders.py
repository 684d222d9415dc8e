"""Projection from a folder of notes to a folder of their translations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from spacy_cardioner import brat
from spacy_cardioner.batch.mentions import Mention
from spacy_cardioner.batch.writers.brat_conf import attributes, known
from spacy_cardioner.batch.writers.standoff import Brat, Rendered
from spacy_cardioner.brat import Note
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.projection.encoder import Encoder
from spacy_cardioner.projection.project import NO_NOTE, UNSURE, Carried, Function, project
from spacy_cardioner.projection.report import report
from spacy_cardioner.projection.texts import parallel, read
from spacy_cardioner.tokenizer import blank


def project_folder(
    source: Path,
    target: Path,
    output: Path,
    *,
    langs: tuple[str, str] = ("xx", "xx"),
    encoder: Encoder | None = None,
    min_score: float = 0.0,
    lenient: bool = False,
) -> dict[str, Any]:
    """Write the notes of a folder with the mentions of the notes of the same names in another.

    source, target (Path): BRAT folders. Annotations of the target are not used. Notes that the
        source does not have, or has without annotations, are not written.
    langs (tuple[str, str]): The languages of both, for words, sentences and function words.
    min_score (float): Mentions with a lower score are not carried.
    RETURNS (dict[str, Any]): See `report.report`.
    RAISES (CardionerError): A file is malformed, or the folders have no name in common.
    """
    notes = [note for note in brat.read_folder(source, lenient=lenient) if note.annotated]
    translations = {note.name: note for note in brat.read_folder(target, lenient=lenient)}
    both = [note for note in notes if note.name in translations]
    if not both:
        raise CardionerError(
            f"{target}: no note has the name of an annotated note of {source}; a text and its "
            "translation need the same file name"
        )
    ours, theirs = map(blank, langs)
    mentions = [brat.entities(note) for note in both]
    texts = [
        parallel(read(ours, note.text), read(theirs, translations[note.name].text)) for note in both
    ]
    function = Function(*(frozenset(nlp.Defaults.stop_words) for nlp in (ours, theirs)))
    done = [
        [_sure(one, min_score) for one in each]
        for each in project(texts, mentions, function, encoder)
    ]
    _write(output, [translations[note.name] for note in both], done)
    alone = [note for note in notes if note.name not in translations]
    lost = [[Carried(one, None, NO_NOTE) for one in brat.entities(note)] for note in alone]
    return report(_named([*both, *alone], [*done, *lost]))


def _sure(one: Carried, min_score: float) -> Carried:
    if one.found is not None and (one.found.score or 0.0) < min_score:
        return Carried(one.mention, None, UNSURE)
    return one


def _named(notes: Iterable[Note], done: Iterable[list[Carried]]) -> list[tuple[str, Carried]]:
    """Mentions with the paths of their files."""
    return [(note.file, one) for note, each in zip(notes, done, strict=True) for one in each]


def _write(output: Path, notes: Iterable[Note], done: Iterable[list[Carried]]) -> None:
    with Brat().into(output) as put:
        for note, each in zip(notes, done, strict=True):
            found = sorted(one.found for one in each if one.found is not None)
            scored = [Mention(*entity[:5]) for entity in found]
            written = brat.note_from_entities(note.name, note.text, found, map(attributes, scored))
            put(Rendered(PurePosixPath(note.name), replace(written, bom=note.bom), known(scored)))
