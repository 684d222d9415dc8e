"""Where published corpora keep their files.

The rest of the package names corpus folders, a part and a language; this module knows the folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from spacy_cardioner import brat
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.folders import Folder

LANGUAGES = ("es", "en", "it")
# General clinical cases for the first stage, cardiology for the second.
PARTS = ("temist", "cardioccc")
# The part that is split into folds.
TEMIST, SPLIT = PARTS

ES = ("es",)
# Folders of texts beside the folder of the annotations, if they are not in it.
TEXTS = ("txt", "text_files")


class Layout(NamedTuple):
    """Where a corpus keeps annotations.

    part (str | None): The part of the notes. None: cardiology notes and others, by their names.
    langs (tuple[str, ...]): The languages that are kept like this.
    path (str): Pattern of the folders of ``.ann`` files, or of a TSV.
    """

    corpus: str
    part: str | None
    langs: tuple[str, ...]
    path: str


# Labels are read from the files.
LAYOUTS = (
    Layout("MultiCardioNER", TEMIST, LANGUAGES, "track2/drugtemist_train/{lang}/brat"),
    Layout("MultiCardioNER", TEMIST, ES, "track1/distemist_train/brat"),
    Layout("MultiCardioNER", SPLIT, LANGUAGES, "track2/cardioccc_dev/{lang}/brat"),
    Layout("MultiCardioNER", SPLIT, ES, "track1/cardioccc_dev/brat"),
    Layout("BRAT", TEMIST, ES, "distemist_train/brat"),
    Layout("BRAT", SPLIT, ES, "cardioccc_dev/brat"),
    Layout("BRAT", SPLIT, LANGUAGES, "cardioccc_dev/{lang}/brat"),
    Layout(
        "DisTEMIST",
        TEMIST,
        ES,
        "training/subtrack1_entities/distemist_subtrack1_training_mentions.tsv",
    ),
    Layout("DrugTEMIST", TEMIST, LANGUAGES, "drugtemist_train/{lang}/brat"),
    Layout("SympTEMIST", TEMIST, ES, "symptemist_train/subtask1-ner/brat"),
    Layout("MedProcNER", TEMIST, ES, "medprocner_train/brat"),
    Layout("PharmaCoNER", TEMIST, ES, "train-set_1.1/train/subtrack1"),
    Layout("PharmaCoNER", TEMIST, ES, "pharmaconer"),
    Layout("CodiEsp", TEMIST, ES, "codiesp"),
    Layout(
        "MultiClinNER",
        None,
        LANGUAGES,
        "MultiClinNER-{lang}/MultiClinNER-{lang}-train/MultiClinNER-{lang}-train-*/ann",
    ),
    Layout("MultiClinNER", None, LANGUAGES, "multiclinner_{lang}*/*"),
    # What `cardioner project` made.
    Layout("projected", None, LANGUAGES, "projected/{lang}"),
)
# A corpus that is used with all of its folders, or not at all.
WHOLE = "MultiCardioNER"
DOWNLOAD = (
    "Download the MultiCardioNER corpus from https://doi.org/10.5281/zenodo.10948354, unpack it, "
    "and set the environment variable MULTICARDIONER_DIR to the folder that contains track1 and "
    "track2"
)


def languages_of(lang: str) -> tuple[str, ...]:
    """The languages of a pipeline: one, or all of them for "xx".

    RAISES (CardionerError): The corpora do not have the language.
    """
    if lang == "xx":
        return LANGUAGES
    if lang not in LANGUAGES:
        raise CardionerError(
            f"the corpora have no language '{lang}'; give {', '.join(LANGUAGES)}, or xx for all"
        )
    return (lang,)


def find(corpora: Sequence[Path], lang: str = "xx", part: str | None = None) -> list[Folder]:
    """Find the folders of published corpora, in a corpus folder or one folder below it.

    In each note, the annotations of a label are those of the first corpus that has them. All labels
    of a folder count as annotated in each of its notes.

    lang (str): Language of a pipeline. Default: all.
    part (str | None): One of `PARTS`. Default: both.
    RAISES (CardionerError): There is no corpus, or nothing in it for the language and part.
    """
    langs, parts = languages_of(lang), PARTS if part is None else (part,)
    if not corpora:
        raise CardionerError(f"no corpus folder was given. {DOWNLOAD}")
    owners: dict[tuple[str, str, str], dict[str, tuple[int, str]]] = {}
    folders: list[Folder] = []
    for number, corpus in enumerate(corpora):
        for folder in _check(corpus):
            if folder.lang in langs and folder.part in parts:
                counts = folder.count_labels()
                folder = _claimed(folder, (number, folder.corpus), counts, owners)
                if folder.names and (folder.labels or not counts):
                    folders.append(folder)
    if not folders:
        named = ", ".join(map(str, corpora))
        raise CardionerError(f"{named}: no notes of {' or '.join(parts)} in {' or '.join(langs)}")
    return folders


def _claimed(
    folder: Folder,
    us: tuple[int, str],
    counts: Mapping[str, int],
    owners: dict[tuple[str, str, str], dict[str, tuple[int, str]]],
) -> Folder:
    """A folder with the annotations that no other corpus claimed before; these are claimed.

    owners (dict): By part, language and label, the corpus of each note.
    """
    ours: dict[str, int] = {}
    taken: dict[str, frozenset[str]] = {}
    names = folder.annotated
    for label in sorted(counts):
        of_label = owners.setdefault((folder.part, folder.lang, label), {})
        others = frozenset(name for name in names if of_label.setdefault(name, us) != us)
        if others < names:
            ours[label] = folder.count_labels(others)[label] if others else counts[label]
        if others:
            taken[label] = others
    return folder._replace(labels=ours, taken=taken)


def labels(folders: Iterable[Folder]) -> list[str]:
    """The labels of folders that were found, in their order."""
    return list(dict.fromkeys(label for folder in folders for label in folder.labels or ()))


def _check(corpus: Path) -> list[Folder]:
    """Find the folders of a corpus.

    RAISES (CardionerError): The corpus is missing, has no known layout, or lacks a folder of
        MultiCardioNER.
    """
    if not corpus.is_dir():
        raise CardionerError(f"{corpus}: no such folder. {DOWNLOAD}")
    found = {
        (layout, lang): _folders(corpus, layout, lang)
        for layout in LAYOUTS
        for lang in layout.langs
    }
    if not any(found.values()):
        known = dict.fromkeys(f"  {layout.corpus}: {layout.path}" for layout in LAYOUTS)
        raise CardionerError(
            f"{corpus}: no known corpus. These are known, with the .txt files beside the .ann "
            "files, or in the next folder txt or text_files. Give the folder that contains them, "
            "or the one above it:",
            *known,
            DOWNLOAD,
        )
    whole = {place: folders for place, folders in found.items() if place[0].corpus == WHOLE}
    if any(whole.values()) and not all(whole.values()):
        missing = [place for place, folders in whole.items() if not folders]
        named = [f"  {corpus / layout.path.format(lang=lang)}" for layout, lang in missing]
        raise CardionerError(f"{corpus}: no .txt files in these folders:", *named, DOWNLOAD)
    return [folder for folders in found.values() for folder in folders]


def _folders(corpus: Path, layout: Layout, lang: str) -> list[Folder]:
    """The folders of a layout in a language. One with notes of both parts counts as two."""
    parts = {layout.part: None} if layout.part else {TEMIST: False, SPLIT: True}
    return [
        Folder(texts, path, {}, layout.corpus, part, lang, cardiology)
        for path in _matching(corpus, layout.path.format(lang=lang))
        for texts in _texts(path)
        for part, cardiology in parts.items()
    ]


def _matching(corpus: Path, pattern: str) -> list[Path]:
    """Folders and TSVs of a pattern that starts with the corpus folder, in it, or one below."""
    first, _, rest = pattern.partition("/")
    here: list[Path] = []
    if fnmatch(corpus.resolve().name, first):
        here = sorted(corpus.glob(rest)) if rest else [corpus]
    found = here or sorted(corpus.glob(pattern)) or sorted(corpus.glob(f"*/{pattern}"))
    return [path for path in found if path.is_dir() or path.suffix == ".tsv"]


def _texts(annotations: Path) -> list[Path]:
    """The folder with the texts of annotations, if there is one."""
    folder = annotations if annotations.is_dir() else annotations.parent
    places = [folder, *(folder.parent / name for name in TEXTS)]
    return [place for place in places if place.is_dir() and brat.note_names(place)][:1]
