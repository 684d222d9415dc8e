"""Annotations out: offsets hold in every format, no file is half, nothing is lost on the way."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import spacy
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import DocBin

from spacy_cardioner import __version__, brat, files
from spacy_cardioner.batch.engine import Annotated, Annotator
from spacy_cardioner.batch.mentions import ATTRIBUTES, Mention, doc_entities
from spacy_cardioner.batch.readers import SourceNote, open_source
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.writers import (
    Output,
    OutputFormat,
    guess_format,
    make_writer,
)
from spacy_cardioner.batch.writers import base as writers_module
from spacy_cardioner.batch.writers.base import Table, opened
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.spans import Entity
from spacy_cardioner.tokenizer import blank
from tests.unit.test_view import check

TraceFunction = Callable[[FrameType, str, Any], Any]

NOTE = "Fibrilación auricular.\r\nToma bisoprolol\r\n2,5 mg y 🫀 AAS."
PIPELINE = {"name": "es_test", "version": "1.0"}
WHEN = datetime(2024, 2, 29, 12, 30)
CONF = ["annotation.conf", "visual.conf"]  # in a BRAT folder
ENTITIES = [
    Mention(0, 21, "ENFERMEDAD", NOTE[:21], 0.25),
    Mention(29, 47, "FARMACO", NOTE[29:47], 0.0, "C07AB07"),
]
KNOWN = Mention(
    *(6, 12, "ENFERMEDAD", "disnea", 0.97456, "", None, "chief complaint"),
    *(True, False, True, False, False),
)


def found(note_id: str, text: str = "", mentions: Sequence[Mention] = ()) -> Annotated:
    return Annotated(SourceNote(note_id, text), list(mentions))


def write(path: Path, *notes: Annotated, kind: str | None = None, **options: Any) -> None:
    output = Output(OutputFormat(kind) if kind else guess_format(path), path)
    writer = make_writer(output, PIPELINE, WHEN, **options)
    with opened(writer, path) as put:
        for note in notes:
            put(writer.render(note))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read_parquet(path: Path) -> list[dict[str, Any]]:
    parquet = pytest.importorskip("pyarrow.parquet", reason='needs "spacy_cardioner[parquet]"')
    rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    return rows


def read_omop(path: Path) -> list[dict[str, str]]:
    # Not `splitlines`: it takes more for a line end than CSV does.
    text = path.read_bytes().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def articles(path: Path) -> list[str]:
    """The pictures in a page."""
    return re.findall("<article.*?</article>", path.read_bytes().decode(), re.DOTALL)


@pytest.fixture(scope="module")
def nlp() -> Language:
    """Every pair of words is an entity, over line ends too."""
    nlp = spacy.blank("es")
    word, gap = {"IS_SPACE": False}, {"IS_SPACE": True, "OP": "?"}
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PAR", "pattern": [word, gap, word]}])
    return nlp


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0")) | st.text(
    "aé🫀́ .,\n\r\t\u2028\x85\x1c\ufeff<&\"'", max_size=60
)
PLAIN = 1_000_000  # characters, which no example has
FORMATS = {
    OutputFormat.brat: "brat",
    OutputFormat.tsv: "n.tsv",
    OutputFormat.jsonl: "n.jsonl",
    OutputFormat.parquet: "n.parquet",
    OutputFormat.omop: "n.csv",
    OutputFormat.docbin: "n.spacy",
    OutputFormat.html: "n.html",
}


@settings(deadline=None, max_examples=50)
@given(text=TEXTS, limit=st.integers(1, 80))
@example(text=NOTE, limit=PLAIN)
@example(text=NOTE, limit=7)
@example(text="\ufeff\ufeffdos marcas\ufeff y otra", limit=PLAIN)
@example(text="<b>a & b</b>\r\nb \rc &#13; d", limit=PLAIN)
@example(text="𝒜 𐍈🫀 👩\u200d⚕️ 🇪🇸 fin", limit=PLAIN)
@example(text="e\u0301 n\u0303o a\u0308\u0323\u200b b", limit=PLAIN)
@example(text="\x01a \x07b\x1b[0m \x0bc\x0cd \x7fe \x9ff", limit=PLAIN)
@example(text="uno\r\ndos\n\rtres\r\r\ncuatro\u2028cinco\u2029seis\x85siete", limit=PLAIN)
@example(text="שלום عليكم \u202eabc\u202c \ufffd\uffff", limit=PLAIN)
def test_offsets_hold_in_every_format(nlp: Language, text: str, limit: int) -> None:
    pytest.importorskip("pyarrow", reason='needs "spacy_cardioner[parquet]"')
    assume(text.removeprefix("\ufeff").strip())
    nlp.max_length = limit
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name), Path(name, "out")
        (folder / "7.txt").write_bytes(text.encode())
        [annotated] = Annotator(Settings(nlp, with_docs=True))(list(open_source(name)))
        write_all(out, annotated)

        text = text.removeprefix("\ufeff")
        mentions = annotated.mentions
        assert annotated.note == SourceNote("7", text, "", "7.txt")
        assert mentions or len(text.split()) < 2 or limit < len(text)
        assert all(text[one.start : one.end] == one.text for one in mentions)
        places = [one[:2] for one in mentions]

        standoff = brat.read_note(out / "brat" / "7.txt")
        assert standoff.text == text
        assert [one[:4] for one in brat.entities(standoff)] == [one[:4] for one in mentions]
        table = brat.read_tsv(out / "n.tsv").get("7", [])
        assert [row[:3] for row in table] == [one[:3] for one in mentions]
        assert [row.text.split() for row in table] == [one.text.split() for one in mentions]
        row = json.loads((out / "n.jsonl").read_bytes())
        assert row["text"] == text
        assert [(e["start"], e["end"]) for e in row["entities"]] == places
        assert all(text[e["start"] : e["end"]] == e["text"] for e in row["entities"])
        rows = read_parquet(out / "n.parquet")
        assert [(e["start"], e["end"]) for e in rows] == places
        assert all(text[e["start"] : e["end"]] == e["text"] for e in rows)
        omop = read_omop(out / "n.csv")
        assert [int(e["offset"]) for e in omop] == [start for start, _ in places]
        for e in omop:
            start, variant = int(e["offset"]), e["lexical_variant"]
            assert text[start : start + len(variant)] == variant
        [doc] = DocBin().from_disk(out / "n.spacy").get_docs(nlp.vocab)
        assert doc.text == text
        assert doc_entities(doc) == mentions
        [picture] = articles(out / "n.html")
        check(text, mentions, picture)


def write_all(out: Path, annotated: Annotated) -> None:
    """All formats in one pass."""
    with ExitStack() as stack:
        for kind, name in FORMATS.items():
            writer = make_writer(Output(kind, out / name), PIPELINE, WHEN, with_text=True)
            put = stack.enter_context(opened(writer, out / name))
            put(writer.render(annotated))


def test_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.jsonl"
    write(path, found("a", NOTE, ENTITIES), found("b"), found("c", "Niega disnea", [KNOWN]))
    assert path.read_text(encoding="utf-8") == (
        '{"id": "a", "entities": ['
        '{"start": 0, "end": 21, "label": "ENFERMEDAD", "text": "Fibrilación auricular", '
        '"score": 0.25}, '
        '{"start": 29, "end": 47, "label": "FARMACO", "text": "bisoprolol\\r\\n2,5 mg", '
        '"score": 0.0, "kb_id": "C07AB07", "vocabulary": "ATC"}]}\n'
        '{"id": "b", "entities": []}\n'
        '{"id": "c", "entities": ['
        '{"start": 6, "end": 12, "label": "ENFERMEDAD", "text": "disnea", "score": 0.97456, '
        '"section": "chief complaint", "negated": true, "uncertain": false, "historical": true, '
        '"hypothetical": false, "family": false}]}\n'
    )


def test_tsv_is_the_table_that_brat_writes(tmp_path: Path) -> None:
    tabbed = Mention(0, 3, "X", "a\tb")
    write(
        tmp_path / "ours.tsv",
        found("a", NOTE, ENTITIES),
        found("b"),
        found("c", tabbed.text, [tabbed]),
        found("d", "Niega disnea", [KNOWN]),
    )
    rows = {"a": ENTITIES, "c": [tabbed], "d": [KNOWN]}
    brat.write_tsv(
        tmp_path / "theirs.tsv",
        {name: [Entity(*one[:4]) for one in mentions] for name, mentions in rows.items()},
    )
    assert (tmp_path / "ours.tsv").read_bytes() == (tmp_path / "theirs.tsv").read_bytes()


def test_tsv_has_the_attributes_where_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    notes = [found("a", "Niega disnea", [KNOWN]), found("b", NOTE, ENTITIES)]
    write(path, *notes, with_attributes=True)
    with path.open(encoding="utf-8", newline="\n") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert list(rows[0]) == [*brat.TSV_HEADER, *ATTRIBUTES]
    assert rows[0] == {
        **dict.fromkeys(ATTRIBUTES, ""),
        **{"filename": "a", "label": "ENFERMEDAD", "start_span": "6", "end_span": "12"},
        **{"text": "disnea", "score": "0.97456", "section": "chief complaint"},
        **{"negated": "true", "uncertain": "false", "historical": "true"},
        **{"hypothetical": "false", "family": "false"},
    }
    assert [row["kb_id"] for row in rows] == ["", "", "C07AB07"]
    assert [row["vocabulary"] for row in rows] == ["", "", "ATC"]


def test_tsv_refuses_a_name_that_would_make_a_column(tmp_path: Path) -> None:
    with pytest.raises(CardionerError, match="tab"):
        write(tmp_path / "out.tsv", found("a\tb", NOTE, ENTITIES))


def test_brat_writes_each_note_whole_and_at_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    writer = make_writer(Output(OutputFormat.brat, out), PIPELINE, WHEN)
    with opened(writer, out) as put:
        put(writer.render(found("a", NOTE, ENTITIES)))
        put(writer.render(found("b")))
        assert {"a.txt", "a.ann", "b.txt", "b.ann"} < set(names(out))
    assert names(out) == ["a.ann", "a.txt", *CONF[:1], "b.ann", "b.txt", *CONF[1:]]
    assert (out / "a.txt").read_bytes() == NOTE.encode()
    assert (out / "b.ann").read_bytes() == b""


def test_brat_has_attribute_lines(tmp_path: Path) -> None:
    coded = Mention(0, 3, "FARMACO", "AAS", None, "B01AC06", "exact")
    notes = [found("a", "Niega disnea", [KNOWN]), found("b", "AAS", [coded])]
    write(tmp_path / "out", *notes, kind="brat")
    assert (tmp_path / "out" / "a.ann").read_text(encoding="utf-8").splitlines() == [
        "T1\tENFERMEDAD 6 12\tdisnea",
        "A1\tScore T1 0.97",
        "A2\tSection T1 chief_complaint",
        "A3\tNegated T1",
        "A4\tHistorical T1",
    ]
    assert (tmp_path / "out" / "b.ann").read_text(encoding="utf-8").splitlines() == [
        "T1\tFARMACO 0 3\tAAS",
        "A1\tMatch T1 exact",
        "N1\tReference T1 ATC:B01AC06\tAAS",
    ]
    note = brat.read_note(tmp_path / "out" / "a.txt")
    assert [entity[:4] for entity in brat.entities(note)] == [KNOWN[:4]]


def test_brat_puts_a_note_of_a_folder_into_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "out", found("2024/a", NOTE), found("2025/a", "otro"), kind="brat")
    assert (tmp_path / "out" / "2024" / "a.txt").read_bytes() == NOTE.encode()
    assert (tmp_path / "out" / "2025" / "a.txt").read_bytes() == b"otro"


@pytest.mark.parametrize("note_id", ["../a", "/a", "a/", "", "a//b", ".", "ñ" * 130])
def test_brat_refuses_what_is_no_file_name(tmp_path: Path, note_id: str) -> None:
    with pytest.raises(CardionerError, match="cannot be a file name"):
        write(tmp_path / "out", found(note_id), kind="brat")
    assert names(tmp_path) == ["out"]


def test_brat_refuses_a_second_note_of_the_same_name(tmp_path: Path) -> None:
    with pytest.raises(CardionerError, match="two notes have this id"):
        write(tmp_path / "out", found("a", "uno"), found("a", "dos"), kind="brat")
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"uno"


def test_parquet_has_the_documented_schema(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason='needs "spacy_cardioner[parquet]"')
    from pyarrow import parquet

    path = tmp_path / "out.parquet"
    write(path, found("a", NOTE, ENTITIES), found("b"), found("c", "Niega disnea", [KNOWN]))
    schema = parquet.read_schema(path)
    assert [f"{field.name} {field.type}" for field in schema] == [
        *("note_id string", "start int32", "end int32", "label string", "text string"),
        *("score float", "kb_id string", "vocabulary string", "match string", "section string"),
        *("negated bool", "uncertain bool", "historical bool", "hypothetical bool", "family bool"),
        "allergy bool",
    ]
    assert [field.name for field in schema if not field.nullable] == [
        *("note_id", "start", "end", "label", "text"),
    ]
    rows = read_parquet(path)
    assert [row["note_id"] for row in rows] == ["a", "a", "c"]
    assert rows[1]["kb_id"] == "C07AB07"
    assert [row["vocabulary"] for row in rows] == [None, "ATC", None]
    assert rows[1]["negated"] is None
    assert rows[2]["negated"] is True
    assert rows[2]["kb_id"] is None

    write(path)
    assert read_parquet(path) == []


def test_omop_has_the_fields_of_the_model(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    supposed = KNOWN._replace(negated=False, historical=False, hypothetical=True, family=False)
    notes = [
        found("7", "Niega disnea", [KNOWN]),
        found("8", NOTE, ENTITIES),
        found("9", "Niega disnea", [supposed]),
    ]
    write(path, *notes)
    rows = read_omop(path)
    assert rows[0] == {
        "note_nlp_id": "1",
        "note_id": "7",
        "section_concept_id": "0",
        "snippet": "Niega disnea",
        "offset": "6",
        "lexical_variant": "disnea",
        "note_nlp_concept_id": "0",
        "note_nlp_source_concept_id": "0",
        "nlp_system": f"es_test 1.0 (spacy_cardioner {__version__})",
        "nlp_date": "2024-02-29",
        "nlp_datetime": "2024-02-29 12:30:00",
        "term_exists": "N",
        "term_temporal": "past",
        "term_modifiers": "label=ENFERMEDAD;negation=true;subject=patient;conditional=false;"
        "uncertain=false;history=true;allergy=false;score=0.9746;section=chief complaint",
    }
    assert [row["note_nlp_id"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["term_exists"] for row in rows] == ["N", "", "", "N"]
    assert rows[2]["term_modifiers"] == "label=FARMACO;score=0.0000;kb_id=C07AB07;vocabulary=ATC"
    assert rows[2]["lexical_variant"] == NOTE[29:47]
    assert rows[3]["term_temporal"] == "present"


@pytest.mark.parametrize(
    ("code", "vocabulary", "reference"),
    [
        ("C07AB07", "ATC", "ATC:C07AB07"),
        ("HP:0001635", "HP", "HP:0001635"),
        # In ICD-10 it is pneumonia, in the ATC classification it would be a group of vaccines.
        ("ICD10:J18", "ICD10", "ICD10:J18"),
        ("SNOMEDCT:84114007", "SNOMEDCT", "SNOMEDCT:84114007"),
        ("I50", None, "KB:I50"),
    ],
)
def test_every_format_names_the_vocabulary_of_a_code(
    tmp_path: Path, code: str, vocabulary: str | None, reference: str
) -> None:
    notes = [found("7", "Fiebre", [Mention(0, 6, "ENFERMEDAD", "Fiebre", kb_id=code)])]
    write(tmp_path / "a.jsonl", *notes)
    (entity,) = json.loads((tmp_path / "a.jsonl").read_text())["entities"]
    assert (entity["kb_id"], entity.get("vocabulary")) == (code, vocabulary)
    write(tmp_path / "a.tsv", *notes, with_attributes=True)
    header, row = (tmp_path / "a.tsv").read_text().splitlines()
    assert dict(zip(header.split("\t"), row.split("\t"), strict=True))["vocabulary"] == (
        vocabulary or ""
    )
    write(tmp_path / "a.parquet", *notes)
    (cells,) = read_parquet(tmp_path / "a.parquet")
    assert (cells["kb_id"], cells["vocabulary"]) == (code, vocabulary)
    write(tmp_path / "a.csv", *notes)
    named = f";vocabulary={vocabulary}" if vocabulary else ""
    (omop,) = read_omop(tmp_path / "a.csv")
    assert omop["term_modifiers"] == f"label=ENFERMEDAD;kb_id={code}{named}"
    write(tmp_path / "out", *notes, kind="brat")
    assert (tmp_path / "out" / "7.ann").read_text().splitlines()[1:] == [
        f"N1\tReference T1 {reference}\tFiebre"
    ]


def test_an_allergy_is_an_attribute_and_no_medication(tmp_path: Path) -> None:
    text = "Alérgico a penicilina"
    drug = KNOWN._replace(start=11, end=21, text="penicilina", negated=False, allergy=True)
    write(tmp_path / "out.csv", found("7", text, [drug]))
    [row] = read_omop(tmp_path / "out.csv")
    assert row["term_exists"] == "N"
    assert ";negation=false;" in row["term_modifiers"]
    assert ";allergy=true;" in row["term_modifiers"]
    write(tmp_path / "brat", found("7", text, [drug]), kind="brat")
    assert "\tAllergy T1\n" in (tmp_path / "brat" / "7.ann").read_text()
    write(tmp_path / "out.html", found("7", text, [drug]))
    assert '<i class="allergy"></i>' in (tmp_path / "out.html").read_text()


def test_omop_as_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason='needs "spacy_cardioner[parquet]"')
    path = tmp_path / "out.parquet"
    write(path, found("7", "Niega disnea", [KNOWN]), kind="omop")
    [row] = read_parquet(path)
    assert row["note_id"] == 7
    assert row["nlp_datetime"] == WHEN
    assert row["nlp_date"] == WHEN.date()
    assert row["term_exists"] == "N"


def test_omop_keeps_to_the_widths_of_the_model(tmp_path: Path) -> None:
    text = "a" * 300
    write(tmp_path / "out.csv", found("7", text, [Mention(0, 300, "X", text)]))
    [row] = read_omop(tmp_path / "out.csv")
    assert row["lexical_variant"] == text[:250]
    assert len(row["snippet"]) == 250
    assert row["term_modifiers"] == "label=X;end=300"


@pytest.mark.parametrize("note_id", ["a", "1.0", "", "9" * 40, "007", "-0", "-07", "+7", " 7", "७"])
def test_omop_needs_numbers_for_ids(tmp_path: Path, note_id: str) -> None:
    with pytest.raises(CardionerError, match="must be an integer"):
        write(tmp_path / "out.csv", found(note_id))


@given(st.lists(st.from_regex(r"[+-]?0{0,2}[0-9]{1,3}", fullmatch=True), unique=True))
def test_omop_never_makes_one_note_of_two(ids: list[str]) -> None:
    writer = make_writer(Output(OutputFormat.omop, None), PIPELINE, WHEN)
    assert isinstance(writer, Table)
    written = []
    for note_id in ids:
        with suppress(CardionerError):
            written += [row[1] for row in writer.rows(found(note_id, "disnea", [KNOWN]))]
    assert len(set(written)) == len(written)


def test_html_has_a_picture_of_each_note(tmp_path: Path) -> None:
    path, text = tmp_path / "out.html", "Niega disnea"
    inner = Mention(8, 12, "X", "snea")
    other = Mention(0, 5, "ENFERMEDAD", "Niega")
    note = SourceNote("<a>", text, "", "notes.csv, row 17")
    write(path, Annotated(note, [other, KNOWN, inner]), found("b", NOTE, ENTITIES), found("c"))
    page = path.read_text(encoding="utf-8")
    assert "<h2>&lt;a&gt;</h2>" in page
    assert '<p class="place">notes.csv, row 17</p>' in page
    assert f"<title>{PIPELINE['name']} {PIPELINE['version']}</title>" in page
    assert page.count('<div class="text" lang="es">') == 3
    first, second, third = articles(path)
    check(text, [other, KNOWN, inner], first)
    check(NOTE, ENTITIES, second)
    check("", [], third)
    assert first.count('<i class="negated"></i>') == 1


def test_html_names_codes_and_sections(tmp_path: Path) -> None:
    """Those of a long note, which is split, too."""
    pytest.importorskip("medspacy", reason='needs "spacy_cardioner[context]"')
    nlp = blank("es")
    names = [
        {"label": "FARMACO", "pattern": "Emconcor", "id": "C07AB07", "kind": "brand"},
        {"label": "FARMACO", "pattern": "bisoprolol", "id": "C07AB07"},
    ]
    nlp.add_pipe("cardioner_gazetteer", "gazetteer").add_patterns(names)
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "FARMACO", "pattern": "Emconcor"}])
    nlp.add_pipe("cardioner_linker", "linker")
    nlp.add_pipe("cardioner_context", "context")
    text = "Antecedentes: nada.\n\nTratamiento: Emconcor.\n"
    notes = [SourceNote("a", text), SourceNote("b", "Nada.")]
    whole = Annotator(Settings(nlp))(notes)
    split = Annotator(Settings(nlp, max_tokens=8))(notes)
    assert [found.names for found in whole] == [{"C07AB07": "bisoprolol"}, {}]
    assert [found.sections for found in whole] == [
        [(0, "past_medical_history"), (21, "medications")],
        [],
    ]
    assert split == whole
    write(tmp_path / "out.html", *whole)
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "FARMACO&#10;C07AB07 bisoprolol (exact)&#10;section: medications" in page
    assert '<b data-section="medications"></b>Tratamiento: ' in page


def test_a_run_that_fails_leaves_no_half_file(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason='needs "spacy_cardioner[parquet]"')
    old = tmp_path / "old.jsonl"
    old.write_text("old\n")
    two_words = found("b", NOTE, [Mention(0, 3, "two words", NOTE[:3])])
    for kind in ("jsonl", "tsv", "parquet", "omop", "html"):
        path = old if kind == "jsonl" else tmp_path / f"new.{kind}"
        writer = make_writer(Output(OutputFormat(kind), path), PIPELINE, WHEN)
        with pytest.raises(RuntimeError), opened(writer, path) as put:
            put(writer.render(found("1", NOTE, ENTITIES)))
            raise RuntimeError
    assert old.read_text() == "old\n"
    assert names(tmp_path) == ["old.jsonl"]

    with pytest.raises(CardionerError):
        write(tmp_path / "out", found("a", NOTE, ENTITIES), two_words, kind="brat")
    assert names(tmp_path / "out") == ["a.ann", "a.txt"]


@pytest.mark.parametrize("kind", ["brat", "jsonl"])
def test_a_part_replaces_the_one_before_when_it_is_whole(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "part"
    writer = make_writer(Output(OutputFormat(kind), path), PIPELINE, WHEN)
    for note_id in ("a", "b"):
        with opened(writer, path, is_part=True) as put:
            put(writer.render(found(note_id)))
    with pytest.raises(RuntimeError), opened(writer, path, is_part=True) as put:
        put(writer.render(found("c")))
        raise RuntimeError
    assert names(tmp_path) == ["part"]
    if kind == "brat":
        assert names(path) == [*CONF[:1], "b.ann", "b.txt", *CONF[1:]]
    else:
        assert json.loads(path.read_bytes())["id"] == "b"


@pytest.mark.parametrize("kind", ["brat", "jsonl"])
def test_ctrl_c_at_any_line_leaves_no_half_part(tmp_path: Path, kind: str) -> None:
    """Each run is interrupted one line of the modules later than the last, until one is whole."""
    path = tmp_path / "part"
    writer = make_writer(Output(OutputFormat(kind), path), PIPELINE, WHEN)
    rendered = writer.render(found("a", NOTE, ENTITIES))
    for line in count(1):
        left = line

        def interrupt(frame: FrameType, event: str, arg: object) -> TraceFunction | None:
            nonlocal left
            if frame.f_code.co_filename not in (writers_module.__file__, files.__file__):
                return None
            left -= event == "line"
            if not left:
                sys.settrace(None)
                raise KeyboardInterrupt
            return interrupt

        before = sys.gettrace()
        try:
            sys.settrace(interrupt)
            with opened(writer, path, is_part=True) as put:
                put(rendered)
        except KeyboardInterrupt:
            assert names(tmp_path) in ([], ["part"]), line
        finally:
            sys.settrace(before)
        if left > 0:
            break
    assert line > 10
    assert names(tmp_path) == ["part"]


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    link = tmp_path / "link.jsonl"
    link.symlink_to(tmp_path / "target.jsonl")
    write(link, found("a"))
    assert link.is_symlink()
    assert (tmp_path / "target.jsonl").read_text() == '{"id": "a", "entities": []}\n'


def test_what_is_no_plain_file_is_written_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write(pipe, found("a"))
    assert os.read(reading, 100) == b'{"id": "a", "entities": []}\n'
    os.close(reading)
    assert pipe.is_fifo()


IDS = ["a", "a.txt/b", "b.ann/c", "b", "c/d", "c", "d" * 250, "d" * 251, "e/../f", "a", "C/d"]


@settings(max_examples=30)
@given(st.permutations(IDS))
@example(IDS)
def test_a_brat_folder_has_a_note_whole_or_not_at_all(ids: list[str]) -> None:
    """A name that another note has made a folder, or a file, is at fault. The others are there."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "out")
        good: dict[str, str] = {}
        writer = make_writer(Output(OutputFormat.brat, place), PIPELINE, WHEN)
        with opened(writer, place) as put:
            for number, note_id in enumerate(ids):
                text = f"disnea {number}"
                try:
                    put(writer.render(found(note_id, text, [Mention(0, 6, "X", "disnea")])))
                except CardionerError as error:
                    assert note_id not in str(error) or len(note_id) == 1
                    continue
                assert note_id not in good
                good[note_id] = text
        written = [str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()]
        expected = [f"{one}.{end}" for one in good for end in ("ann", "txt")]
        assert sorted(written) == sorted([*expected, *CONF])
        assert all((place / f"{one}.txt").read_text() == text for one, text in good.items())
        assert len(good) >= 6


def test_links_in_a_brat_folder_are_never_followed_out_of_it(tmp_path: Path) -> None:
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    for folder in (elsewhere, out / "real"):
        folder.mkdir(parents=True)
    (elsewhere / "a.txt").write_text("mine")
    (out / "sub").symlink_to(elsewhere)
    (out / "within").symlink_to("real")
    (out / "circle").symlink_to("circle")
    (out / "a.txt").symlink_to(elsewhere / "a.txt")
    (out / "a.ann").symlink_to(tmp_path / "nowhere")
    (tmp_path / "link").symlink_to(out)
    writer = make_writer(Output(OutputFormat.brat, out), PIPELINE, WHEN)
    with opened(writer, tmp_path / "link") as put:
        for note_id in ("sub/a", "sub/new/a", "circle/a"):
            with pytest.raises(CardionerError, match="the BRAT folder cannot hold it"):
                put(writer.render(found(note_id, NOTE)))
        for note_id in ("a", "within/a"):
            put(writer.render(found(note_id, NOTE)))
        with pytest.raises(CardionerError, match="two notes have this id"):
            put(writer.render(found("real/a", "other")))  # the same file
    assert names(elsewhere) == ["a.txt"]
    assert (elsewhere / "a.txt").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()
    assert not (out / "a.txt").is_symlink()
    for path in (out / "a.txt", out / "real" / "a.txt"):
        assert path.read_bytes() == NOTE.encode()


def test_a_full_disk_is_no_fault_of_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError) as caught:
        write(tmp_path / "out", found("a", NOTE), kind="brat")
    assert caught.value.errno == errno.ENOSPC


def test_a_link_for_a_part_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "part").symlink_to(tmp_path / "elsewhere")
    for kind in ("jsonl", "brat"):
        writer = make_writer(Output(OutputFormat(kind), tmp_path / "part"), PIPELINE, WHEN)
        with opened(writer, tmp_path / "part", is_part=True) as put:
            put(writer.render(found("a", NOTE)))
        assert names(tmp_path) == ["part"]
        assert not (tmp_path / "part").is_symlink()
