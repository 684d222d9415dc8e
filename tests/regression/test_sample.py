"""The sample corpus: parallel, exact, consistent, and with the hard cases of real notes in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from spacy_cardioner.brat import Change, entities, read_folder, read_tsv
from spacy_cardioner.spans import Entity
from tests.conftest import ROOT

ASSETS = ROOT / "assets"
LANGUAGES = ("es", "en", "it")
SOURCES = {
    f"track{track}_{part}" + (f"_{lang}" if lang else ""): Path(f"track{track}", part, lang)
    for track, part, langs in [
        (1, "distemist_train", [""]),
        (1, "cardioccc_dev", [""]),
        (2, "drugtemist_train", LANGUAGES),
        (2, "cardioccc_dev", LANGUAGES),
    ]
    for lang in langs
}
DRUGS = {
    lang: [f"track2_drugtemist_train_{lang}", f"track2_cardioccc_dev_{lang}"] for lang in LANGUAGES
}
DISEASES = ["track1_distemist_train", "track1_cardioccc_dev"]
# Where an annotated word stands for something that is measured.
MEASURED = re.compile(r"(saturación de oxígeno|oxygen saturation|saturazione di ossigeno)", re.I)

Notes = dict[str, tuple[str, list[Entity]]]


@cache
def load(source: str) -> Notes:
    changes: list[Change] = []
    folder = ASSETS / "sample" / SOURCES[source] / "brat"
    notes = {
        note.name: (note.text, entities(note, changes=changes))
        for note in read_folder(folder, changes=changes)
        if note.annotated
    }
    assert not changes
    return notes


def join(sources: Iterable[str]) -> Notes:
    return {name: note for source in sources for name, note in load(source).items()}


def around(lang: str) -> Iterator[tuple[str, str, str]]:
    """Each drug with what stands before and after it."""
    for text, found in join(DRUGS[lang]).values():
        for drug in found:
            yield text[: drug.start], drug.text, text[drug.end :]


def bare(notes: Notes, pattern: str) -> list[str]:
    """What matches in the notes and touches no entity."""
    return [
        match.group()
        for text, found in notes.values()
        for match in re.finditer(pattern, text, re.IGNORECASE)
        if not any(e.start < match.end() and match.start() < e.end for e in found)
    ]


def all_notes() -> Iterator[tuple[str, str, list[Entity]]]:
    for source in SOURCES:
        for name, (text, found) in load(source).items():
            yield f"{source}/{name}", text, found


# --- Layout ---


@pytest.mark.parametrize("source", SOURCES)
def test_the_table_says_what_the_standoff_files_say(source: str) -> None:
    table = ASSETS / "sample" / SOURCES[source] / "tsv" / f"multicardioner_{source}.tsv"
    expected = {name: found for name, (_, found) in load(source).items() if found}
    assert read_tsv(table) == expected


def test_every_language_and_track_has_the_same_notes() -> None:
    for part in ("train", "dev"):
        names = {tuple(load(source)) for source in SOURCES if part in source}
        assert len(names) == 1
    assert len(join(DISEASES)) == sum(len(load(source)) for source in DISEASES) >= 24


def test_the_tracks_hold_the_same_spanish_texts_byte_for_byte() -> None:
    for diseases, drugs in zip(DISEASES, DRUGS["es"], strict=True):
        folders = [ASSETS / "sample" / SOURCES[source] / "brat" for source in (diseases, drugs)]
        first, second = ({p.name: p.read_bytes() for p in f.glob("*.txt")} for f in folders)
        assert first == second


def test_texts_are_short_composed_unicode_with_plain_line_ends() -> None:
    for where, text, _ in all_notes():
        assert 60 <= len(text.split()) <= 140, where
        assert unicodedata.is_normalized("NFC", text), where
        assert "\r" not in text and text.endswith("\n") and "\n" in text.rstrip(), where


# --- Annotation ---


def test_mentions_are_exact_and_do_not_overlap_within_a_layer() -> None:
    for where, text, found in all_notes():
        label = "ENFERMEDAD" if where.startswith("track1") else "FARMACO"
        assert all(e.text == text[e.start : e.end] and e.label == label for e in found), where
        assert all(one.end <= two.start for one, two in zip(found, found[1:], strict=False)), where


@pytest.mark.parametrize("lang", ["en", "it"])
def test_a_note_has_as_many_drugs_in_each_language(lang: str) -> None:
    def count(lang: str) -> dict[str, int]:
        return {name: len(found) for name, (_, found) in join(DRUGS[lang]).items()}

    assert count(lang) == count("es")


@pytest.mark.parametrize("sources", [DISEASES, *DRUGS.values()], ids=["diseases", *DRUGS])
def test_what_is_annotated_once_is_annotated_everywhere(sources: list[str]) -> None:
    notes = join(sources)
    known = {e.text.casefold() for _, found in notes.values() for e in found}
    hidden = {
        name: (MEASURED.sub(lambda match: "_" * len(match.group()), text), found)
        for name, (text, found) in notes.items()
    }
    names = "|".join(sorted(map(re.escape, known), key=len, reverse=True))
    assert bare(hidden, rf"(?<!\w)(?:{names})(?![^\W\d_])") == []


# --- Hard cases ---


@pytest.mark.parametrize("source", [source for both in DRUGS.values() for source in both])
def test_doses_are_glued_to_names_in_both_parts(source: str) -> None:
    notes = load(source).values()
    assert sum(text[e.end].isdigit() for text, found in notes for e in found) >= 3


@pytest.mark.parametrize("lang", LANGUAGES)
def test_fixed_combinations_are_one_mention_and_drugs_taken_together_are_two(lang: str) -> None:
    drugs = [drug for _, drug, _ in around(lang)]
    assert any("/" in drug for drug in drugs)
    assert any(" + " in drug for drug in drugs)
    apart = [
        (one.text, two.text)
        for text, found in join(DRUGS[lang]).values()
        for one, two in zip(found, found[1:], strict=False)
        if text[one.end : two.start] == " + "
    ]
    assert apart


def test_drugs_stand_inside_diseases_in_both_parts() -> None:
    for diseases, drugs in zip(DISEASES, DRUGS["es"], strict=True):
        inside = {
            outer.text.casefold()
            for name, (_, found) in load(diseases).items()
            for outer in found
            for drug in load(drugs)[name][1]
            if outer.start <= drug.start and drug.end <= outer.end
        }
        assert len(inside) >= 4
        assert any(mention.startswith("alergia a") for mention in inside)
    assert {"intoxicación por digoxina", "intoxicación digitálica"} <= {
        e.text for _, found in join(DISEASES).values() for e in found
    }


@pytest.mark.parametrize(
    ("lang", "analytes", "given"),
    [
        (
            "es",
            ["potasio", "sodio", "magnesio", "glucosa", "hemoglobina", "hierro", "calcio"],
            {"cloruro potásico", "sulfato de magnesio", "hierro carboximaltosa", "oxígeno"},
        ),
        (
            "en",
            ["potassium", "sodium", "magnesium", "glucose", "hemoglobin", "iron", "calcium"],
            {"potassium chloride", "magnesium sulfate", "ferric carboxymaltose", "oxygen"},
        ),
        (
            "it",
            ["potassio", "sodio", "magnesio", "glucosio", "emoglobina", "ferro", "calcio"],
            {"cloruro di potassio", "solfato di magnesio", "ferro carbossimaltosio", "ossigeno"},
        ),
    ],
)
def test_an_analyte_is_a_drug_only_when_it_is_given(
    lang: str, analytes: list[str], given: set[str]
) -> None:
    notes = join(DRUGS[lang])
    drugs = {drug.casefold() for _, drug, _ in around(lang)}
    assert given <= drugs
    for analyte in analytes:
        assert bare(notes, rf"\b{analyte} \d+[.,]?\d* m?[gEµ]"), analyte
        assert analyte not in drugs
    assert bare(notes, MEASURED.pattern)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_brands_and_abbreviations_after_their_expansion(lang: str) -> None:
    assert any(after.startswith("®") for _, _, after in around(lang))
    pairs = {
        text[one.start : two.end + 1]
        for text, found in join(DRUGS[lang]).values()
        for one, two in zip(found, found[1:], strict=False)
        if text[one.end : two.start] == " (" and re.match(r"[A-Z]{2,}\)", text[two.start :])
    }
    assert len(pairs) >= 3


@pytest.mark.parametrize(
    ("lang", "titles"),
    [
        ("es", ["Antecedentes familiares:", "Tratamiento al alta:", "Tratamiento actual:"]),
        ("en", ["Family history:", "Discharge medication:", "Current medication:"]),
        ("it", ["Anamnesi familiare:", "Terapia alla dimissione:", "Terapia in atto:"]),
    ],
)
def test_lists_section_titles_and_decimal_signs(lang: str, titles: list[str]) -> None:
    text = "\n".join(text for text, _ in join(DRUGS[lang]).values())
    for title in titles:
        assert len(re.findall(rf"^{title}", text, re.MULTILINE)) >= 2, title
    for bullet in ("- ", "– ", "• ", "* ", "1. ", "1) ", "a) "):
        assert f"\n{bullet}" in text, bullet
    sign, other = (".", ",") if lang == "en" else (",", ".")
    assert re.search(rf"\b2{re.escape(sign)}5 mg", text)
    assert not re.search(rf"\b2{re.escape(other)}5 mg", text)


def test_negated_diseases_and_diseases_of_the_family_are_annotated() -> None:
    notes = join(DISEASES).values()
    negated = [
        e
        for text, found in notes
        for e in found
        if re.search(r"\b(niega|sin|no se observa)\s$", text[: e.start], re.IGNORECASE)
    ]
    family = [
        e
        for text, found in notes
        for line in re.finditer(r"^Antecedentes familiares:.*", text, re.MULTILINE)
        for e in found
        if line.start() < e.start < line.end()
    ]
    assert len(negated) >= 5
    assert len(family) >= 3


def test_accents_and_italian_elisions() -> None:
    assert any(not drug.isascii() for _, drug, _ in around("es"))
    assert any(not e.text.isascii() for _, found in join(DISEASES).values() for e in found)
    assert len([before for before, _, _ in around("it") if before.endswith("l'")]) >= 5
    italian = " ".join(text for text, _ in join(DRUGS["it"]).values())
    assert "dell'aspirina" in italian
    assert "l'insufficienza cardiaca" in italian.casefold()


def test_one_note_has_no_drug_and_one_has_no_disease() -> None:
    without = [{n for n, (_, found) in join(DRUGS[lang]).items() if not found} for lang in DRUGS]
    assert without[0] and without[0] == without[1] == without[2]
    assert any(not found for _, found in join(DISEASES).values())


def test_demonstration_notes_are_parallel_and_not_annotated() -> None:
    notes = {
        lang: {path.name: path.read_text("utf-8") for path in (ASSETS / "notes" / lang).iterdir()}
        for lang in LANGUAGES
    }
    assert len(notes["es"]) >= 2
    for lang in LANGUAGES:
        assert set(notes[lang]) == set(notes["es"])
        assert all(name.endswith(".txt") for name in notes[lang])
        assert all(60 <= len(text.split()) <= 120 for text in notes[lang].values())
