"""Folders of notes with their annotations, and which notes of several folders are one document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from spacy_cardioner import brat
from spacy_cardioner.brat import Change, Note
from spacy_cardioner.errors import CardionerError

# Cardiology notes by their names, in corpora that have other notes in the same folder.
CARDIOLOGY = "casos_clinicos_cardiologia"
# Names that corpora have for our labels, in capitals.
ALIASES = {
    "DISEASE": "ENFERMEDAD",
    "DRUG": "FARMACO",
    "MEDICATION": "FARMACO",
    "SYMPTOM": "SINTOMA",
    "PROCEDURE": "PROCEDIMIENTO",
}


class Folder(NamedTuple):
    """Notes, and where their annotations are.

    texts (Path): Folder of the ``.txt`` files.
    annotations (Path): Folder of the ``.ann`` files, or a TSV.
    labels (Mapping[str, int] | None): The labels to use, in our names, and how often each occurs.
        None: all, as the files name them.
    corpus, part, lang (str): Name of the corpus, part and language, see `layout`.
    cardiology (bool | None): Only the cardiology notes, or only the others. Default: all notes.
    taken (Mapping[str, frozenset[str]]): The names of notes whose annotations of a label are not
        used, as an earlier corpus has them.
    """

    texts: Path
    annotations: Path
    labels: Mapping[str, int] | None = None
    corpus: str = ""
    part: str = ""
    lang: str = ""
    cardiology: bool | None = None
    taken: Mapping[str, frozenset[str]] = MappingProxyType({})

    @property
    def names(self) -> list[str]:
        """The names of the notes."""
        return [name for name in brat.note_names(self.texts) if self.has(name)]

    @property
    def annotated(self) -> frozenset[str]:
        """The names of the notes that have annotations, perhaps none of a label."""
        if not self.annotations.is_dir():
            return frozenset(self.names)
        return frozenset(
            name for name in brat.note_names(self.annotations, ".ann") if self.has(name)
        )

    def has(self, name: str) -> bool:
        """Whether a note of this name would be one of these."""
        return self.cardiology in (None, name.startswith(CARDIOLOGY))

    def label(self, given: str, name: str) -> str | None:
        """Our name of a label in the files, or None if it is not used in the note of this name."""
        if self.labels is None:
            return given
        ours = ALIASES.get(given.upper(), given)
        return ours if ours in self.labels and self.uses(ours, name) else None

    def uses(self, label: str, name: str) -> bool:
        """Whether no earlier corpus has the annotations of one of our labels in a note."""
        return name not in self.taken.get(label, ())

    def count_labels(self, without: Collection[str] = ()) -> Counter[str]:
        """How often each label occurs, in our names.

        without (Collection[str]): Names of notes that are not counted.
        """
        counts: Counter[str] = Counter()
        found = brat.count_labels(
            self.annotations, lambda name: self.has(name) and name not in without
        )
        for label, number in found.items():
            counts[ALIASES.get(label.upper(), label)] += number
        return counts

    def notes(
        self, *, lenient: bool = False, changes: list[Change] | None = None
    ) -> Iterator[Note]:
        """Read the notes, with all their labels as the files name them."""
        if not self.annotations.is_dir():
            return brat.read_table(self.texts, self.annotations, lenient=lenient, changes=changes)
        return brat.read_folder(
            self.texts,
            annotations=self.annotations,
            has=self.has,
            lenient=lenient,
            changes=changes,
        )


@dataclass
class Documents:
    """The texts of documents, by name. Notes of the same name and text are one document.

    separate (bool): Notes of the same name and another text are a document of their own, such as
        "note~2". Default: they are an error, or skipped if `lenient`.
    """

    separate: bool = False
    lenient: bool = False
    texts: dict[str, str] = field(default_factory=dict)

    def name(self, note: Note, folder: Folder, changes: list[Change]) -> str | None:
        """The name of the document of a note, or None to skip it.

        Texts of one document may differ in white space at the end: the longest is kept.

        RAISES (CardionerError): The text differs, and the notes are neither separate nor lenient.
        """
        file = str(folder.texts / f"{note.name}.txt")
        for name in chain([note.name], (f"{note.name}~{number}" for number in count(2))):
            text = self.texts.setdefault(name, note.text)
            shorter, longer = sorted((text, note.text), key=len)
            if longer.startswith(shorter) and not longer[len(shorter) :].strip():
                if shorter != longer:
                    changes.append(Change("text end", file, 0, "", len(shorter), len(longer)))
                    self.texts[name] = longer
                if name != note.name:
                    changes.append(Change("separate", file, 0, "", 0, len(longer)))
                return name
            if not self.separate:
                break
        if not self.lenient:
            raise CardionerError(
                f"{file}: its text differs from the note with this name in an earlier folder. "
                "Notes are joined by file name: rename the note, convert the folders separately, "
                "or skip it with --lenient"
            )
        changes.append(Change("text differs", file, 0, "", 0, len(note.text)))
        return None


def original(name: str) -> str:
    """The name of the note of a document: that of "note~2" is "note"."""
    before, sign, number = name.rpartition("~")
    return before if sign and number.isdecimal() else name


def document_names(folders: Iterable[Folder], separate: bool = True) -> set[str]:
    """The names of the documents that the notes of folders become, see `Documents`."""
    documents = Documents(separate, lenient=not separate)
    changes: list[Change] = []
    for folder in folders:
        for note in folder.notes():
            documents.name(note, folder, changes)
    return set(documents.texts)
