from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import write_texts
from spacy_cardioner.gazetteer.build import build
from spacy_cardioner.gazetteer.patterns import (
    Pattern,
    dump_patterns,
    read_patterns,
    to_pattern,
)
from spacy_cardioner.gazetteer.report import Report
from spacy_cardioner.gazetteer.usage import count_usage
from spacy_cardioner.texts import read_texts
from tests.conftest import ROOT

DATA = ROOT / "tests/data" / "gazetteer"
SOURCES = [
    (None, DATA / file)
    for file in (
        "by_language.tsv",
        "aifa_class_a.csv",
        "aifa_class_h.csv",
        "aifa_equivalents.csv",
        "drugbank.csv",
        "products.txt",
        "rxnorm_names.tsv",
        "RXNCONSO.RRF",
        "atc.csv",
        "cima/Prescripcion.xml",
    )
]


@pytest.fixture(scope="module")
def everything() -> dict[str, Pattern]:
    return {pattern.text: pattern for pattern in build(SOURCES)}


def test_names_of_all_registries_are_joined(everything: dict[str, Pattern]) -> None:
    bisoprolol = everything["bisoprolol"]

    assert bisoprolol == Pattern("bisoprolol", "C07AB07", "ingredient")
    assert everything["cardinventa"] == Pattern("cardinventa", "C07AB07", "brand")
    assert everything["insulfinta"].id == "A10AB01" or everything["insulfinta"].id.startswith("A")
    assert "bisoprolol fumarate" in everything
    assert everything["bisoprololo fumarato"].id == "C07AB07"


def test_codes_are_found_by_the_substance_in_another_language(
    everything: dict[str, Pattern],
) -> None:
    assert everything["eparina sodica"].id == "B01AB01"
    assert everything["eparfinta"].id == "B01AB01"
    assert everything["acido acetilsalicilico"].candidates == ["B01AC06", "A01AD05", "N02BA01"]
    assert everything["atropina"].candidates == ["A03BA01", "S01FA01"]
    assert everything["dl-hyoscyamine"].id == "A03BA01"


def test_names_without_a_code_have_the_registrys_id(everything: dict[str, Pattern]) -> None:
    assert everything["levosimendan"].id == "AIFA:099102012"
    assert everything["inventol"].id == "RXNORM:9000001"


def test_parts_of_combinations_need_a_code(everything: dict[str, Pattern]) -> None:
    assert everything["amoxicillina/acido clavulanico"].id == "AIFA:099004015"
    assert "amoxicillina" not in everything
    assert everything["losartan"].id == "C09CA01"


def test_capitals_are_kept_in_abbreviations_alone(everything: dict[str, Pattern]) -> None:
    assert everything["AAS"].kind == "abbreviation"
    assert everything["TACE"].kind == "abbreviation"
    assert "pasto" in everything and "PASTO" not in everything
    assert "inventazinum" not in everything
    assert "Mg" not in everything and "mg" not in everything and "his" not in everything


def test_languages_can_be_chosen() -> None:
    sources = [(None, DATA / "by_language.tsv")]

    spanish = {pattern.text for pattern in build(sources, langs=["es"])}
    every = {pattern.text for pattern in build(sources)}

    assert {"ácido acetilsalicílico", "betabloqueantes", "AAS"} <= spanish
    assert not {"acetylsalicylic acid", "betabloccanti", "ASA"} & spanish
    assert {"acetylsalicylic acid", "betabloccanti", "ASA"} <= every


def write_text(path: Path, *sentences: str) -> Path:
    path.write_text("\n".join(sentences * 20), encoding="utf-8")
    return path


def test_common_words_and_other_abbreviations_are_found_in_raw_text(tmp_path: Path) -> None:
    text = write_text(
        tmp_path / "text.txt",
        "Un pasto normale. Il paziente consuma un pasto con potasio basso.",
        "Se realiza TACE. Toma Cardinventa y bisoprolol. Pasto.",
    )
    report = Report()

    left = {pattern.text for pattern in build(SOURCES, texts=[text], report=report)}

    assert report.examples["common"] == ["pasto", "same"]
    assert report.examples["abbreviation"] == ["TACE"]
    assert {"cardinventa", "bisoprolol", "potasio"} <= left
    assert not {"pasto", "TACE"} & left


def test_without_text_only_stop_words_are_left_out(everything: dict[str, Pattern]) -> None:
    assert "pasto" in everything
    assert "same" not in everything


def test_a_name_as_frequent_as_no_substance_is_a_common_word(tmp_path: Path) -> None:
    own = "name\tatc\tkind\n" + "".join(f"inventazol{n}\tC07AB07\t\n" for n in range(3))
    (tmp_path / "own.tsv").write_text(own)
    drugbank = "DrugBank ID;Common name;Synonyms\nDB1;Water drop;\nDB2;Rarazol;\n"
    (tmp_path / "drugbank.csv").write_text(drugbank)
    text = write_text(
        tmp_path / "text.txt",
        "he had a water drop and another water drop and a water drop with inventazol 1 of them",
    )
    with text.open("a") as stream:
        stream.write("\nthey gave rarazol" * 6)
    sources = [(None, tmp_path / "own.tsv"), (None, tmp_path / "drugbank.csv")]

    left = {pattern.text for pattern in build(sources, texts=[text])}

    assert "water drop" not in left
    assert {"rarazol", "inventazol1"} <= left


def test_usage_counts_case_and_place() -> None:
    usage = count_usage(
        ["Vita e vita. VITA, la vita:\nVita - vita", "Acido folico e ácido\u0301 fólico"],
        ["vita", "acido folico", "none"],
    )

    assert vars(usage["vita"]) == {"count": 6, "inside": 3, "lower": 3, "upper": 1}
    assert usage["acido folico"].count == 2
    assert "none" not in usage


def test_texts_are_read_from_plain_and_packed_files(tmp_path: Path) -> None:
    lines = '{"text": "uno"}\n\n{"text": "dos"}\n'
    (tmp_path / "a.jsonl").write_text(lines)
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as stream:
        stream.write(lines)
    (tmp_path / "a.txt").write_text("uno\ndos")

    assert list(read_texts(tmp_path / "a.jsonl")) == ["uno", "dos"]
    assert list(read_texts(tmp_path / "a.jsonl.gz")) == ["uno", "dos"]
    assert list(read_texts(tmp_path / "a.txt")) == ["uno\n", "dos"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "uno"}\n{"other": 1}\n', 'a.jsonl:2: .*"text"'),
        ("a.jsonl", b'["uno"]\n', "a.jsonl:1: "),
        ("a.jsonl.gz", b"no gzip", "a.jsonl.gz: cannot be read"),
        ("a.txt", b"\xff\xfe", "a.txt:1: not UTF-8"),
    ],
)
def test_a_text_that_cannot_be_read(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(CardionerError, match=message):
        list(read_texts(tmp_path / name))


def test_the_file_is_sorted_and_read_back(tmp_path: Path) -> None:
    patterns = build(SOURCES)
    path = tmp_path / "patterns.jsonl"
    path.write_text(dump_patterns(patterns), encoding="utf-8")

    assert list(read_patterns(path)) == patterns == sorted(patterns)
    assert build(SOURCES) == patterns
    entry = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert set(entry) <= {"label", "pattern", "id", "also", "kind"}


def test_spacys_ruler_reads_the_file() -> None:
    import spacy

    nlp = spacy.blank("es")
    ruler = nlp.add_pipe("span_ruler", config={"phrase_matcher_attr": "LOWER"})
    ruler.add_patterns([p.to_dict() for p in build([(None, DATA / "by_language.tsv")])])

    doc = nlp("Toma Bisoprolol hoy.")

    (span,) = doc.spans["ruler"]
    assert (span.text, span.label_, span.id_) == ("Bisoprolol", "FARMACO", "C07AB07")


@pytest.mark.parametrize(
    "entry",
    [
        {"label": "X", "pattern": [{"LOWER": "x"}]},
        {"label": "X"},
        {"label": 1, "pattern": "x"},
        {"label": "X", "pattern": "x", "also": "C07"},
        {"label": "X", "pattern": "x", "kind": "marca"},
        "x",
    ],
)
def test_a_pattern_that_is_none(entry: object) -> None:
    with pytest.raises(CardionerError, match="^pattern: "):
        to_pattern(entry)  # type: ignore[arg-type]


def test_nothing_is_half_written(tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    kept.write_text("before")
    (tmp_path / "file").write_text("")

    with pytest.raises(CardionerError, match="cannot be written"):
        write_texts({kept: "after", tmp_path / "file" / "below": "after"})

    assert kept.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "kept.jsonl"]

    write_texts({kept: "after", tmp_path / "new" / "below": "after"})
    assert kept.read_text() == (tmp_path / "new" / "below").read_text() == "after"
