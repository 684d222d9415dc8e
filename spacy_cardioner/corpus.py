"""Notes and spaCy documents: joins annotation layers, aligns entities to tokens, writes DocBins.

Every ``Doc`` made here holds

- all entities, overlapping ones too, in ``doc.spans["cardioner"]``, whose ``attrs["layers"]``
  lists the labels that were annotated in this document: a label that is not listed is
  unknown there, which is not the same as "no entity";
- the non-overlapping entities in ``doc.ents``, the longest first. In a document that lacks a
  layer which others in the corpus have, the tokens outside entities are marked as missing;
- the note's name in ``doc.user_data["note_id"]``;
- sentence starts.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.util import filter_spans
from spacy.vocab import Vocab
from tqdm import tqdm

from spacy_cardioner import brat
from spacy_cardioner.audit import Audit
from spacy_cardioner.brat import Change, Discontinuous, Note
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.spans import NOTE_ID, SPANS_KEY, Entity


@dataclass
class LayeredNote:
    """One text with the entities of every folder that annotates it.

    name (str): The note's name.
    text (str): Its characters.
    entities (list[Entity]): The entities of all layers, sorted.
    layers (set[str]): The labels that were annotated in this note.
    """

    name: str
    text: str
    entities: list[Entity] = field(default_factory=list)
    layers: set[str] = field(default_factory=set)


def convert(
    folders: Sequence[Path],
    nlp: Language,
    *,
    rename: Mapping[str, str] | None = None,
    only: Iterable[str] | None = None,
    discontinuous: Discontinuous = "cover",
    lenient: bool = False,
    audit: Audit | None = None,
) -> list[Doc]:
    """Read BRAT folders into documents, one for each name that occurs in them.

    A folder's layers are the labels that occur anywhere in it: a note of that folder without a
    mention is a note without such entities. A note without an .ann file is not annotated.

    folders (Sequence[Path]): Folders with .txt and .ann files; notes of one name are joined.
    nlp (Language): A blank pipeline that makes tokens and sentences, see `tokenizer.blank`.
    rename (Mapping[str, str]): Old label to new label.
    only (Iterable[str]): Keep these labels (after renaming); None keeps all.
    discontinuous (str): What to do with entities in several parts, see `brat.entities`.
    lenient (bool): Skip and count what is malformed instead of raising.
    audit (Audit): Filled with counts and with everything that is changed or lost.
    RETURNS (list[Doc]): Documents sorted by name.
    RAISES (CardionerError): Malformed files; two texts of one name that differ.
    """
    audit = audit if audit is not None else Audit()
    wanted = None if only is None else set(only)
    joined: dict[str, LayeredNote] = {}
    for folder in folders:
        layer: set[str] = set()
        annotated: list[LayeredNote] = []
        for note in brat.read_folder(folder, lenient=lenient, changes=audit.changes):
            note = _select(note, rename or {}, wanted)
            target = _join_text(joined, note, folder, lenient, audit)
            if target is None or not note.annotated:
                continue
            audit.count_note(note)
            found = brat.entities(note, discontinuous=discontinuous, changes=audit.changes)
            _add_entities(target, found, audit)
            layer.update(entity.label for entity in found)
            annotated.append(target)
        for target in annotated:
            target.layers |= layer
    layers = set().union(*(note.layers for note in joined.values()))
    names = tqdm(sorted(joined), "convert", delay=2, unit=" notes", disable=None)
    docs = [to_doc(nlp, joined[name], layers, audit) for name in names]
    audit.count_docs(docs, SPANS_KEY)
    return docs


def _select(note: Note, rename: Mapping[str, str], wanted: set[str] | None) -> Note:
    """The note with its entities renamed, and without those whose label is not wanted."""
    lines = []
    for line in note.lines:
        if line.textbound is not None:
            label = rename.get(line.textbound.label, line.textbound.label)
            if wanted is not None and label not in wanted:
                continue
            line = replace(line, textbound=replace(line.textbound, label=label))
        lines.append(line)
    return replace(note, lines=lines)


def _join_text(
    joined: dict[str, LayeredNote], note: Note, folder: Path, lenient: bool, audit: Audit
) -> LayeredNote | None:
    """The joined note that `note` belongs to; texts may differ in white space at the end."""
    target = joined.setdefault(note.name, LayeredNote(note.name, note.text))
    shorter, longer = sorted((target.text, note.text), key=len)
    same = longer.startswith(shorter) and not longer[len(shorter) :].strip()
    file = str(folder / f"{note.name}.txt")
    if same and len(shorter) < len(longer):
        audit.changes.append(Change("text end", file, 0, "", len(shorter), len(longer)))
        target.text = longer
    if same:
        return target
    if not lenient:
        raise CardionerError(
            f"{file}: this is not the text of the note of that name in the folders before. Layers "
            "are joined by file name: rename the note, convert the folders apart, or leave it out "
            "with --lenient"
        )
    audit.changes.append(Change("text differs", file, 0, "", 0, len(note.text)))
    return None


def _add_entities(target: LayeredNote, found: Iterable[Entity], audit: Audit) -> None:
    """Add what another folder does not already have."""
    present = set(target.entities)
    for entity in found:
        if entity in present:
            audit.changes.append(_change("duplicate", target.name, entity))
        else:
            target.entities.append(entity)


def _change(kind: str, name: str, entity: Entity) -> Change:
    return Change(kind, name, 0, entity.label, entity.start, entity.end, entity.text)


def to_doc(nlp: Language, note: LayeredNote, layers: set[str], audit: Audit) -> Doc:
    """Make the document of a note; the module's description says what it holds.

    An entity whose borders are not token borders is widened to whole tokens, and named in the
    audit as moved. One that thereby becomes the same as another of its label is lost.

    nlp (Language): Pipeline that makes the tokens and, with its components, the sentences.
    note (LayeredNote): The note.
    layers (set[str]): All layers of the corpus.
    audit (Audit): Where moved and lost entities are written down.
    RETURNS (Doc): The document.
    """
    doc = nlp(note.text)
    spans: dict[tuple[str, int, int], Span] = {}
    for entity in note.entities:
        span = doc.char_span(entity.start, entity.end, entity.label, alignment_mode="expand")
        assert span is not None  # an entity within the text covers a token
        key = (entity.label, span.start, span.end)
        if key in spans:
            audit.changes.append(_change("lost", note.name, entity))
            continue
        if (span.start_char, span.end_char) != (entity.start, entity.end):
            audit.changes.append(_change("moved", note.name, entity))
        spans[key] = span
    ordered = sorted(spans.values(), key=lambda span: (span.start, span.end, span.label_))
    doc.spans[SPANS_KEY] = SpanGroup(
        doc, name=SPANS_KEY, spans=ordered, attrs={"layers": sorted(note.layers)}
    )
    default = "outside" if note.layers >= layers else "missing"
    doc.set_ents(filter_spans(ordered), default=default)
    doc.user_data[NOTE_ID] = note.name
    return doc


def write_docbin(path: Path, docs: Iterable[Doc]) -> None:
    """Write documents with everything they hold, as `spacy train` reads them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=docs, store_user_data=True).to_disk(path)


def read_docbin(path: Path, vocab: Vocab) -> list[Doc]:
    """Read documents written by `write_docbin`.

    RAISES (CardionerError): The file is missing or is no DocBin.
    """
    try:
        return list(DocBin().from_disk(path).get_docs(vocab))
    except (OSError, ValueError, zlib.error) as error:
        raise CardionerError(
            f"{path}: not a DocBin file ({type(error).__name__}); make one with `cardioner convert`"
        ) from error


def docs_by_name(path: Path) -> dict[str, Doc]:
    """Read documents written by `write_docbin`, by the names of their notes.

    RAISES (CardionerError): The file is missing or is no DocBin; a document has no name.
    """
    docs = read_docbin(path, Vocab())
    if any(NOTE_ID not in doc.user_data for doc in docs):
        raise CardionerError(
            f"{path}: a document has no name; make the file with `cardioner convert`"
        )
    return {doc.user_data[NOTE_ID]: doc for doc in docs}
