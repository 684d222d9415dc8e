"""Notes to documents: layers joined, every entity kept or named, offsets exact."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from spacy.vocab import Vocab

from spacy_cardioner import brat
from spacy_cardioner.audit import Audit
from spacy_cardioner.corpus import (
    LayeredNote,
    convert,
    read_docbin,
    to_doc,
    write_docbin,
)
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.spans import SPANS_KEY, Entity, layers_of
from spacy_cardioner.tokenizer import blank
from tests.conftest import ROOT

SAMPLE = ROOT / "assets" / "sample"
TEXT = "Alergia a penicilina.\nToma bisoprolol 2,5 mg."


@pytest.fixture(scope="module")
def nlp():  # type: ignore[no-untyped-def]
    return blank("es")


def put(folder: Path, name: str, text: str, *entities: Entity, ann: bool = True) -> Path:
    note = brat.note_from_entities(name, text, entities)
    note.annotated = ann
    brat.write_note(note, folder)
    return folder


def found(doc) -> list[tuple[int, int, str]]:  # type: ignore[no-untyped-def]
    return [(span.start_char, span.end_char, span.label_) for span in doc.spans[SPANS_KEY]]


def test_layers_of_one_text_are_joined_and_overlap(nlp, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    drugs = put(tmp_path / "drugs", "a", TEXT, Entity(10, 20, "FARMACO", "penicilina"))
    diseases = put(tmp_path / "dis", "a", TEXT, Entity(0, 20, "ENFERMEDAD", TEXT[:20]))

    (doc,) = convert([drugs, diseases], nlp)

    assert found(doc) == [(0, 20, "ENFERMEDAD"), (10, 20, "FARMACO")]
    assert [ent.label_ for ent in doc.ents] == ["ENFERMEDAD"], "the longest, without overlap"
    assert layers_of(doc) == {"ENFERMEDAD", "FARMACO"}
    assert doc.user_data["note_id"] == "a"
    assert [sent.start_char for sent in doc.sents] == [0, 22]


def test_a_missing_layer_is_not_taken_for_no_entity(nlp, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    drug = Entity(10, 20, "FARMACO", "penicilina")
    drugs = put(put(tmp_path / "drugs", "a", TEXT, drug), "b", TEXT, drug)
    diseases = put(tmp_path / "dis", "a", TEXT, Entity(0, 7, "ENFERMEDAD", "Alergia"))

    a, b = convert([drugs, diseases], nlp)

    assert layers_of(a) == {"ENFERMEDAD", "FARMACO"}
    assert layers_of(b) == {"FARMACO"}
    assert a[-1].ent_iob_ == "O"
    assert b[-1].ent_iob_ == "", "unknown, as a disease might stand there"


def test_a_note_without_ann_has_no_layer_and_an_empty_one_has(nlp, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = put(tmp_path, "a", TEXT, Entity(10, 20, "FARMACO", "penicilina"))
    put(folder, "b", TEXT, ann=False)
    put(folder, "c", TEXT)

    docs = convert([folder], nlp)

    assert [layers_of(doc) for doc in docs] == [{"FARMACO"}, set(), {"FARMACO"}]


def test_labels_are_renamed_and_selected(nlp, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = put(
        tmp_path,
        "a",
        TEXT,
        Entity(0, 7, "Problem", "Alergia"),
        Entity(10, 20, "Drug", "penicilina"),
    )

    audit = Audit()
    (doc,) = convert([folder], nlp, rename={"Drug": "FARMACO"}, only=["FARMACO"], audit=audit)

    assert found(doc) == [(10, 20, "FARMACO")]
    assert audit.read == audit.kept == {"FARMACO": 1}


def test_what_is_moved_and_lost_is_named(nlp) -> None:  # type: ignore[no-untyped-def]
    text = "bisoprololol"
    entities = [Entity(0, 5, "FARMACO", text[:5]), Entity(2, 7, "FARMACO", text[2:7])]
    audit = Audit()

    doc = to_doc(nlp, LayeredNote("a", text, entities, {"FARMACO"}), {"FARMACO"}, audit)

    assert found(doc) == [(0, 12, "FARMACO")]
    assert [(c.kind, c.start, c.end) for c in audit.changes] == [("moved", 0, 5), ("lost", 2, 7)]
    assert audit.lost == audit.changes[1:]
    shown = "\n".join(change.describe() for change in audit.changes)
    assert "a: lost FARMACO 2 7" in shown
    assert "sopro" not in shown, "the text of a note is shown only if asked for"
    assert "sopro" in audit.changes[1].describe(show_text=True)


def test_moved_and_nested_entities_have_lines_and_offsets(nlp, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    text = "insuficiencia cardiaca aguda. Furosemida"
    (tmp_path / "a.txt").write_text(text)
    (tmp_path / "a.ann").write_text(
        "T1\tE 0 22\tinsuficiencia cardiaca\n"
        "R1\tPeor Arg1:T1 Arg2:T2\n"
        "T2\tE 0 28\tinsuficiencia cardiaca aguda\n"
        "T3\tE 14 22\tcardiaca\n"
        "T4\tG 14 28\tcardiaca aguda\n"
        "T5\tF 30 36\tFurose\n"
        "T6\tF 32 40\trosemida\n"
    )
    audit = Audit()

    (doc,) = convert([tmp_path], nlp, audit=audit)

    file = f"{tmp_path}/a.ann"
    told = {change.describe() for change in audit.changes}
    assert told == {
        f"{file}:1: not learned E 0 22 overlaps 0 28",
        f"{file}:4: not learned E 14 22 overlaps 0 28",
        f"{file}:6: moved F 30 36 to 30 40",
        f"{file}:7: lost F 32 40 to 30 40",
    }
    assert len(found(doc)) == 5, "what is not learned is kept"
    assert told < set(audit.table().splitlines())
    assert "\nnot learned: `cardioner_ner` has one tag" in audit.table()
    moved = next(one for one in audit.to_dict()["change_list"] if one["kind"] == "moved")
    assert moved == {
        **{"kind": "moved", "file": file, "line": 6, "label": "F"},
        **{"start": 30, "end": 36, "to": (30, 40)},
    }
    assert "learned" not in Audit().table()


def test_what_is_not_used_is_counted(nlp, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    lines = ["T1\tF 10 20\tpenicilina", "T2\tE 0 7\tAlergia", "T3\tX 22 26\tToma"]
    lines += ["E1\tX:T3 Que:T1", "R1\tA Arg1:T1 Arg2:T2", "A1\tNegated T1", "M1\tNegation E1"]
    lines += [
        "N1\tReference T1 ATC:J01CE\tpenicilinas",
        "*\tEquiv T1 T2",
        "#1\tAnnotatorNotes T1\tver",
    ]
    put(tmp_path, "a", TEXT)
    (tmp_path / "a.ann").write_text("\n".join(lines))
    audit = Audit()

    convert([tmp_path], nlp, only=["F"], audit=audit)

    assert audit.to_dict()["not_used"] == {
        **{"attributes": 2, "entities of other labels": 2, "equivalences": 1, "events": 1},
        **{"normalisations": 1, "notes": 1, "relations": 1},
    }
    assert (
        "not used: attributes 2, entities of other labels 2, equivalences 1, events 1, "
        "normalisations 1, notes 1, relations 1"
    ) in audit.table().splitlines()
    assert "not used: none" in Audit().table().splitlines()


def test_labels_that_no_entity_has_are_an_error(nlp, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = put(tmp_path, "a", TEXT, Entity(10, 20, "FARMACO", "penicilina"))

    for wrong in ({"rename": {"Drug": "FARMACO"}}, {"only": ["FARMACOS"]}):
        with pytest.raises(CardionerError, match="no entity has the label .*; there are FARMACO"):
            convert([folder], nlp, **wrong)  # type: ignore[arg-type]
        convert([folder], nlp, known=["Drug", "FARMACOS"], **wrong)  # type: ignore[arg-type]


def test_the_audit_adds_up(nlp, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = put(tmp_path / "one", "a", TEXT, Entity(10, 20, "FARMACO", "penicilina"))
    again = put(tmp_path / "two", "a", TEXT, Entity(10, 20, "FARMACO", "penicilina"))
    audit = Audit()

    convert([folder, again], nlp, audit=audit)

    data = audit.to_dict()
    assert data["documents"] == 1
    assert data["entities"] == {"FARMACO": {"read": 2, "kept": 1, "flat": 1}}
    assert data["changes"] == {"duplicate": 1}
    audit.read["FARMACO"] += 1
    with pytest.raises(AssertionError, match="3 entities read"):
        audit.count_docs([])


def test_overlaps_are_counted_within_and_across(nlp) -> None:  # type: ignore[no-untyped-def]
    text = "insuficiencia cardiaca aguda grave"
    entities = [
        Entity(0, 28, "E", text[:28]),
        Entity(14, 34, "E", text[14:34]),
        Entity(14, 22, "F", text[14:22]),
        Entity(23, 34, "G", text[23:34]),
    ]
    doc = to_doc(nlp, LayeredNote("a", text, entities, {"E", "F", "G"}), {"E"}, Audit())
    audit = Audit()
    audit.read.update(E=2, F=1, G=1)
    audit.count_docs([doc])

    assert audit.overlaps == {"within E": 1, "F in E": 2, "E across G": 1, "G in E": 1}


def test_texts_may_differ_in_white_space_at_the_end_alone(nlp, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    one = put(tmp_path / "one", "a", TEXT, Entity(10, 20, "FARMACO", "penicilina"))
    two = put(tmp_path / "two", "a", f"{TEXT} \n", Entity(0, 7, "ENFERMEDAD", "Alergia"))
    audit = Audit()

    (doc,) = convert([one, two], nlp, audit=audit)

    assert doc.text == f"{TEXT} \n"
    assert [change.kind for change in audit.changes] == ["text end"]
    other = put(tmp_path / "three", "a", f"{TEXT} Alta.", Entity(0, 7, "ENFERMEDAD", "Alergia"))
    with pytest.raises(CardionerError, match="three/a.txt: its text differs"):
        convert([one, other], nlp)
    (doc,) = convert([one, other], nlp, lenient=True, audit=audit)
    assert found(doc) == [(10, 20, "FARMACO")], "the good layer is kept"
    assert audit.changes[-1].kind == "text differs"


def test_a_docbin_keeps_everything(nlp, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    docs = convert([SAMPLE / "track2/cardioccc_dev/es/brat"], nlp)
    write_docbin(tmp_path / "new" / "x.spacy", docs)

    again = read_docbin(tmp_path / "new" / "x.spacy", Vocab())

    assert len(again) == 12
    for before, after in zip(docs, again, strict=True):
        assert after.text == before.text
        assert found(after) == found(before)
        assert layers_of(after) == {"FARMACO"}
        assert after.user_data == before.user_data
        assert [s.start for s in after.sents] == [s.start for s in before.sents]


@pytest.mark.parametrize("content", [None, b"", b"not a DocBin"])
def test_a_file_that_is_no_docbin(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.spacy"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(CardionerError, match="x.spacy: not a DocBin"):
        read_docbin(path, Vocab())


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(min_size=1), st.data())
def test_offsets_hold_for_any_text(nlp, text: str, data: st.DataObject) -> None:  # type: ignore[no-untyped-def]
    """An entity on token borders keeps its characters; any other only grows, to token borders."""
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    assume(text[start:end] == text[start:end].strip())
    audit = Audit()

    note = LayeredNote("a", text, [Entity(start, end, "FARMACO", text[start:end])], {"FARMACO"})
    doc = to_doc(nlp, note, {"FARMACO"}, audit)

    assert doc.text == text
    ((first, last, _),) = found(doc)
    assert first <= start < end <= last
    if start in {t.idx for t in doc} and end in {t.idx + len(t) for t in doc}:
        assert (first, last) == (start, end)
    assert bool(audit.changes) == ((first, last) != (start, end))


@pytest.mark.skipif("MULTICARDIONER_DIR" not in os.environ, reason="MULTICARDIONER_DIR is not set")
def test_the_real_corpus_converts_without_loss(nlp) -> None:  # type: ignore[no-untyped-def]
    root = Path(os.environ["MULTICARDIONER_DIR"])
    folders = [root / "track2/cardioccc_dev/es/brat", root / "track1/cardioccc_dev/brat"]
    audit = Audit()

    docs = convert(folders, nlp, audit=audit)

    assert len(docs) == 258
    assert audit.kept == {"ENFERMEDAD": 10175, "FARMACO": 2509}
    assert not audit.lost
