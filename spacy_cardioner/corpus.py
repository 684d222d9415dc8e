"""Convert notes to spaCy documents and DocBins.

A converted ``Doc`` contains

- all entities, also overlapping ones, in ``doc.spans["cardioner"]``. ``attrs["layers"]`` lists the
  labels that were annotated in this document;
- the non-overlapping entities in ``doc.ents``, the longest first. If the document lacks a label
  that others of the corpus have, the tokens outside entities are marked as missing;
- the name of the note in ``doc.user_data["note_id"]``;
- sentence starts.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from tqdm import tqdm

from spacy_cardioner import brat
from spacy_cardioner.audit import Audit, Place
from spacy_cardioner.brat import NOT_LEARNED, Discontinuous, Note
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import target, whole_file
from spacy_cardioner.folders import Documents, Folder
from spacy_cardioner.spans import NOTE_ID, Entity, in_order, non_overlapping, write_entities


@dataclass
class LayeredNote:
    """A text with the entities of all folders that annotate it, and the annotated labels.

    places (dict[Entity, tuple[str, int]]): The file and line of each entity, where known.
    """

    name: str
    text: str
    entities: list[Entity] = field(default_factory=list)
    layers: set[str] = field(default_factory=set)
    places: dict[Entity, Place] = field(default_factory=dict)

    def place(self, entity: Entity) -> Place:
        """The file and line of an entity."""
        return self.places.get(entity, (self.name, 0))


def convert(
    folders: Iterable[Path | Folder],
    nlp: Language,
    *,
    rename: Mapping[str, str] | None = None,
    only: Iterable[str] | None = None,
    known: Collection[str] = (),
    discontinuous: Discontinuous = "cover",
    separate: bool = False,
    lenient: bool = False,
    audit: Audit | None = None,
) -> list[Doc]:
    """Read folders of notes into documents, one for each note name.

    All labels of a folder count as annotated in each of its notes: a note without a mention of a
    label has no such entity. A note without an .ann file is not annotated.

    only (Iterable[str]): Labels to keep, after renaming. Default: all.
    known (Collection[str]): Labels that may be renamed or kept even if no entity has them.
    separate (bool): Notes of the same name and another text become documents of their own, such as
        "note~2".
    audit (Audit): Collects the counts and all changes and losses.
    RETURNS (list[Doc]): The documents, sorted by name.
    RAISES (CardionerError): A file is malformed, notes with the same name have different texts, or
        no entity has a label that is to be renamed or kept.
    """
    audit = audit or Audit()
    wanted = None if only is None else set(only)
    documents = Documents(separate, lenient)
    joined: dict[str, LayeredNote] = {}
    for given in folders:
        folder = given if isinstance(given, Folder) else Folder(given, given)
        labels: set[str] = set()
        annotated: list[tuple[str, LayeredNote]] = []
        for read in folder.notes(lenient=lenient, changes=audit.changes):
            note = _select(read, partial(_new_label, folder, read.name, rename or {}, wanted))
            if (name := documents.name(note, folder, audit.changes)) is None:
                continue
            layered = joined.setdefault(name, LayeredNote(name, note.text))
            layered.text = documents.texts[name]
            if not note.annotated:
                continue
            audit.count_note(note, (one.label for one in read.textbounds))
            for entity, line in brat.located(
                note, discontinuous=discontinuous, changes=audit.changes
            ):
                labels.add(entity.label)
                if entity in layered.places:
                    audit.add("duplicate", (note.file, line), entity)
                else:
                    layered.entities.append(entity)
                    layered.places[entity] = (note.file, line)
            annotated.append((note.name, layered))
        for name, layered in annotated:
            layered.layers |= {
                label for label in labels if _is_used(folder, name, rename or {}, label)
            }
    brat.check_labels({*audit.labels, *known}, rename or {}, wanted)
    layers = set().union(*(note.layers for note in joined.values()))
    names = tqdm(sorted(joined), "convert", delay=2, unit=" notes", disable=None)
    docs = [to_doc(nlp, joined[name], layers, audit) for name in names]
    audit.count_docs(docs)
    return docs


def _new_label(
    folder: Folder, name: str, rename: Mapping[str, str], wanted: set[str] | None, given: str
) -> str | None:
    """The label of an entity of a note after renaming, or None if it is not wanted."""
    label = folder.label(given, name)
    if label is not None:
        label = rename.get(label, label)
    return label if wanted is None or label in wanted else None


def _is_used(folder: Folder, name: str, rename: Mapping[str, str], label: str) -> bool:
    """Whether a label of entities, after renaming, is annotated in a note of a folder."""
    before = [old for old in folder.labels or () if rename.get(old, old) == label]
    return not folder.taken or any(folder.uses(old, name) for old in before)


def _select(note: Note, label_of: Callable[[str], str | None]) -> Note:
    """Rename labels, and drop the T lines of labels that are not wanted."""
    lines = []
    for line in note.lines:
        if line.textbound is not None:
            label = label_of(line.textbound.label)
            if label is None:
                continue
            line = replace(line, textbound=replace(line.textbound, label=label))
        lines.append(line)
    return replace(note, lines=lines)


def to_doc(nlp: Language, note: LayeredNote, layers: set[str], audit: Audit) -> Doc:
    """Make the document of a note. Its contents are described at the top of this module.

    An entity whose boundaries are not token boundaries is expanded to whole tokens, and counted as
    "moved". If it then equals another entity of its label, it is "lost". One that overlaps a longer
    one of its label is kept, and counted as "not learned": `cardioner_ner` learns the longer.

    layers (set[str]): All labels that are annotated anywhere in the corpus.
    """
    doc = nlp(note.text)
    found: dict[Entity, Entity] = {}
    for entity in sorted(note.entities, key=in_order):
        span = doc.char_span(entity.start, entity.end, entity.label, alignment_mode="expand")
        assert span is not None  # Each entity within the text covers a token.
        aligned = Entity(span.start, span.end, entity.label)
        here = (span.start_char, span.end_char)
        if aligned in found:
            audit.add("lost", note.place(entity), entity, here)
            continue
        if here != (entity.start, entity.end):
            audit.add("moved", note.place(entity), entity, here)
        found[aligned] = entity
    spans = write_entities(doc, sorted(found), layers=sorted(note.layers))
    for shorter, longer in _not_learned(found):
        entity, span = found[shorter], doc[longer.start : longer.end]
        audit.add(NOT_LEARNED, note.place(entity), entity, (span.start_char, span.end_char))
    default = "outside" if note.layers >= layers else "missing"
    doc.set_ents(non_overlapping(spans), default=default)
    doc.user_data[NOTE_ID] = note.name
    return doc


def _not_learned(entities: Collection[Entity]) -> Iterator[tuple[Entity, Entity]]:
    """YIELDS (tuple[Entity, Entity]): An entity, and the longer one of its label over it."""
    for label in sorted({entity.label for entity in entities}):
        ours = [entity for entity in entities if entity.label == label]
        learned = non_overlapping(ours)
        for one in sorted({*ours} - {*learned}):
            yield one, next(x for x in learned if x.start < one.end and one.start < x.end)


def write_docbin(path: Path, docs: Iterable[Doc]) -> None:
    """Write documents and their user data to a DocBin, for ``spacy train``."""
    with whole_file(target(path)) as stream:
        stream.write(DocBin(docs=docs, store_user_data=True).to_bytes())


def read_docbin(path: Path, vocab: Vocab) -> list[Doc]:
    """Read a DocBin. RAISES (CardionerError): The file is missing or is not a DocBin."""
    try:
        return list(DocBin().from_disk(path).get_docs(vocab))
    except (OSError, ValueError, zlib.error) as error:
        raise CardionerError(
            f"{path}: not a DocBin file ({type(error).__name__}); make one with `cardioner convert`"
        ) from error


def docs_by_name(path: Path) -> dict[str, Doc]:
    """Read the documents of a DocBin, by the names of their notes.

    RAISES (CardionerError): The file is missing or is not a DocBin, or a document has no name.
    """
    docs = read_docbin(path, Vocab())
    if any(NOTE_ID not in doc.user_data for doc in docs):
        raise CardionerError(f"{path}: a document has no name; use `cardioner convert` to make it")
    return {doc.user_data[NOTE_ID]: doc for doc in docs}
