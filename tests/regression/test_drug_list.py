"""The drug list and the analyte lists that ship: codes, names and order hold together."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from spacy_cardioner.gazetteer.laboratory import KINDS as KINDS_OF_RULES
from tests.conftest import ROOT

DRUGS = ROOT / "assets" / "gazetteer" / "drugs.tsv"
README = ROOT / "assets" / "gazetteer" / "README.md"
RESOURCES = ROOT / "spacy_cardioner" / "resources"

COLUMNS = ["atc", "kind", "es", "en", "it", "also"]
LANGUAGES = ["es", "en", "it"]
KINDS = {"ingredient", "combination", "brand", "group", "abbreviation"}
ATC = re.compile(r"[ABCDGHJLMNPRSV](\d\d([A-Z]([A-Z](\d\d)?)?)?)?")

# Lengths of a code: 1 anatomical group, 3, 4 and 5 therapeutic and chemical groups, 7 substance.
LENGTHS = {
    "ingredient": {7},
    "combination": {7},
    "brand": {5, 7},
    "group": {3, 4, 5},
    "abbreviation": {3, 4, 5, 7},
}


def _lines(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


HEADER, *ROWS = _lines(DRUGS)
RECORDS = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]


def _parts(cell: str) -> list[str]:
    return cell.split("|") if cell else []


def _names() -> Iterator[tuple[dict[str, str], str, str]]:
    for record in RECORDS:
        for lang in LANGUAGES:
            for name in _parts(record[lang]):
                yield record, lang, name


def _codes(record: dict[str, str]) -> set[str]:
    return {record["atc"], *_parts(record["also"])}


def _contradictions(records: list[dict[str, str]]) -> list[str]:
    """Names that stand under two codes of which neither row names the other.

    records (list[dict[str, str]]): Rows of the list.
    RETURNS (list[str]): The names, with their languages and codes.
    """
    rows: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for record in records:
        for lang in LANGUAGES:
            for name in _parts(record[lang]):
                rows[lang, name.casefold()].append(record)
    return [
        f"{lang} {name}: {first['atc']} and {second['atc']}"
        for (lang, name), found in rows.items()
        for first in found
        for second in found
        if first["atc"] not in _codes(second) and second["atc"] not in _codes(first)
    ]


def test_the_table_has_its_columns_and_kinds() -> None:
    assert HEADER == COLUMNS
    assert {record["kind"] for record in RECORDS} == KINDS


def test_every_code_is_an_atc_code_of_the_level_its_kind_has() -> None:
    codes = [(record, code) for record in RECORDS for code in _codes(record)]
    assert [code for _, code in codes if not ATC.fullmatch(code)] == []
    wrong = [r["atc"] for r in RECORDS if len(r["atc"]) not in LENGTHS[r["kind"]]]
    assert wrong == []


def test_further_codes_are_other_codes_named_once_and_in_order() -> None:
    for record in RECORDS:
        also = _parts(record["also"])
        assert also == sorted(set(also)), record
        assert record["atc"] not in also, record


def test_rows_are_sorted_and_none_is_said_twice() -> None:
    assert ROWS == sorted(ROWS)
    keys = [(record["atc"], record["kind"]) for record in RECORDS]
    assert len(keys) == len(set(keys))


def test_names_are_clean() -> None:
    for record, _, name in _names():
        assert name, record
        assert name == unicodedata.normalize("NFC", name)
        assert name == " ".join(name.split())
        assert not unicodedata.category(name[0]).startswith("M")
    for record in RECORDS:
        for lang in LANGUAGES:
            folded = [name.casefold() for name in _parts(record[lang])]
            assert len(folded) == len(set(folded)), record


def test_substances_and_groups_have_a_name_in_every_language() -> None:
    for record in RECORDS:
        given = [lang for lang in LANGUAGES if record[lang]]
        assert given, record
        if record["kind"] in {"ingredient", "combination", "group"}:
            assert given == LANGUAGES, record


def test_no_name_contradicts_another() -> None:
    assert _contradictions(RECORDS) == []


def test_a_contradiction_is_found() -> None:
    first = {"atc": "B01AC06", "es": "aspirina", "en": "", "it": "", "also": ""}
    second = {"atc": "N02BA01", "es": "Aspirina", "en": "", "it": "", "also": ""}

    assert _contradictions([first, second])
    assert not _contradictions([first, {**second, "also": "B01AC06"}])


def test_there_are_enough_substances() -> None:
    codes = {record["atc"] for record in RECORDS if record["kind"] == "ingredient"}
    assert len(codes) >= 1200


def test_the_description_gives_the_true_counts() -> None:
    described = dict(re.findall(r"^\| `(\w+)` \|.*\| (\d+) \|$", README.read_text("utf-8"), re.M))
    counted = {kind: sum(r["kind"] == kind for r in RECORDS) for kind in KINDS}
    assert {kind: int(count) for kind, count in described.items()} == counted


@pytest.mark.parametrize(
    ("lang", "name", "code"),
    [
        ("es", "ácido acetilsalicílico", "B01AC06"),
        ("it", "acido acetilsalicilico", "B01AC06"),
        ("en", "aspirin", "N02BA01"),
        ("es", "AAS", "B01AC06"),
        ("es", "heparina", "B01AB01"),
        ("it", "eparina", "B01AB01"),
        ("es", "HBPM", "B01AB"),
        ("en", "LMWH", "B01AB"),
        ("it", "EBPM", "B01AB"),
        ("es", "acenocumarol", "B01AA07"),
        ("es", "Sintrom", "B01AA07"),
        ("en", "warfarin", "B01AA03"),
        ("en", "Coumadin", "B01AA03"),
        ("it", "rivaroxaban", "B01AF01"),
        ("es", "apixabán", "B01AF02"),
        ("es", "ACOD", "B01AF"),
        ("es", "clopidogrel", "B01AC04"),
        ("it", "ticagrelor", "B01AC24"),
        ("es", "bisoprolol", "C07AB07"),
        ("it", "bisoprololo", "C07AB07"),
        ("es", "carvedilol", "C07AG02"),
        ("es", "betabloqueantes", "C07"),
        ("it", "furosemide", "C03CA01"),
        ("es", "furosemida", "C03CA01"),
        ("en", "Lasix", "C03CA01"),
        ("it", "idroclorotiazide", "C03AA03"),
        ("es", "espironolactona", "C03DA01"),
        ("es", "enalapril", "C09AA02"),
        ("es", "IECA", "C09A"),
        ("es", "ARA II", "C09C"),
        ("es", "sacubitrilo/valsartán", "C09DX04"),
        ("en", "Entresto", "C09DX04"),
        ("es", "atorvastatina", "C10AA05"),
        ("es", "estatinas", "C10AA"),
        ("it", "statine", "C10AA"),
        ("it", "digossina", "C01AA05"),
        ("es", "amiodarona", "C01BD01"),
        ("es", "adrenalina", "C01CA24"),
        ("en", "nitroglycerin", "C01DA02"),
        ("it", "amlodipina", "C08CA01"),
        ("es", "empagliflozina", "A10BK03"),
        ("it", "metformina", "A10BA02"),
        ("es", "omeprazol", "A02BC01"),
        ("it", "levotiroxina", "H03AA01"),
        ("en", "trastuzumab", "L01FD01"),
        ("es", "amoxicilina/ácido clavulánico", "J01CR02"),
        ("en", "paracetamol", "N02BE01"),
        ("es", "AINE", "M01A"),
        ("it", "FANS", "M01A"),
        ("en", "idarucizumab", "V03AB37"),
    ],
)
def test_well_known_names_have_their_code(lang: str, name: str, code: str) -> None:
    found = [record for record, other, known in _names() if (other, known) == (lang, name)]
    assert any(code in _codes(record) for record in found)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_analyte_list_is_whole_and_clean(lang: str) -> None:
    path = RESOURCES / lang / "analytes.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)

    assert header == ["name", "kind"]
    assert rows == sorted(rows, key=lambda row: (row[1], row[0]))
    names = [name for name, _ in rows]
    assert len(names) == len(set(names))
    assert all(name and name == " ".join(name.split()) for name in names)
    assert all(name == unicodedata.normalize("NFC", name) for name in names)
    kinds = [kind for _, kind in rows]
    assert set(kinds) == set(KINDS_OF_RULES)
    assert kinds.count("analyte") >= 150


@pytest.mark.parametrize(
    ("lang", "names"),
    [
        ("es", ["sodio", "potasio", "glucosa", "vitamina D", "oxígeno", "niveles", "mg/dl"]),
        ("en", ["sodium", "potassium", "glucose", "vitamin D", "oxygen", "labs", "mEq/l"]),
        ("it", ["sodio", "potassio", "glucosio", "vitamina D", "ossigeno", "esami", "mmol/l"]),
    ],
)
def test_the_usual_analytes_words_and_units_are_there(lang: str, names: list[str]) -> None:
    listed = {row[0] for row in _lines(RESOURCES / lang / "analytes.tsv")}
    assert set(names) <= listed
