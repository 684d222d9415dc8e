"""Where published corpora keep their files.

The rest of the package names a corpus folder, a part and a language; this module knows the folders.
"""

from __future__ import annotations

from pathlib import Path

from spacy_cardioner.brat import TXT
from spacy_cardioner.errors import CardionerError

LANGUAGES = ("es", "en", "it")
# General clinical cases (DisTEMIST, DrugTEMIST) for the first stage, cardiology for the second.
PARTS = ("temist", "cardioccc")
# The part that is split into folds.
SPLIT = PARTS[1]

# MultiCardioNER: the BRAT folder of each part, language and label.
MULTICARDIONER = {
    ("temist", "es", "FARMACO"): "track2/drugtemist_train/es/brat",
    ("temist", "es", "ENFERMEDAD"): "track1/distemist_train/brat",
    ("temist", "en", "FARMACO"): "track2/drugtemist_train/en/brat",
    ("temist", "it", "FARMACO"): "track2/drugtemist_train/it/brat",
    ("cardioccc", "es", "FARMACO"): "track2/cardioccc_dev/es/brat",
    ("cardioccc", "es", "ENFERMEDAD"): "track1/cardioccc_dev/brat",
    ("cardioccc", "en", "FARMACO"): "track2/cardioccc_dev/en/brat",
    ("cardioccc", "it", "FARMACO"): "track2/cardioccc_dev/it/brat",
}
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


def labels(lang: str) -> set[str]:
    """The labels that the corpora have in the languages of a pipeline."""
    return {label for _, of_lang, label in MULTICARDIONER if of_lang in languages_of(lang)}


def gold(corpus: Path, lang: str, part: str = SPLIT) -> dict[str, Path]:
    """The BRAT folder with the gold annotations of each label, by default for cardiology notes."""
    return {
        label: corpus / folder
        for (of_part, of_lang, label), folder in MULTICARDIONER.items()
        if (of_part, of_lang) == (part, lang)
    }


def folders(corpus: Path, part: str, lang: str) -> list[Path]:
    """The BRAT folders that annotate one part in one language."""
    return list(gold(corpus, lang, part).values())


def check(corpus: Path) -> list[tuple[Path, int]]:
    """The folders of a corpus and the number of notes in each.

    RAISES (CardionerError): The corpus or one of its folders is missing.
    """
    if not corpus.is_dir():
        raise CardionerError(f"{corpus}: no such folder. {DOWNLOAD}")
    found = [
        (folder, sum(path.suffix.lower() == TXT for path in folder.glob("*")))
        for part in PARTS
        for lang in LANGUAGES
        for folder in folders(corpus, part, lang)
    ]
    if missing := [folder for folder, notes in found if not notes]:
        listed = (f"  {folder}" for folder in missing)
        raise CardionerError(f"{corpus}: no .txt files in these folders:", *listed, DOWNLOAD)
    return found
