"""Notes in, annotations out: every offset holds, no file is half, no note is lost."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import spacy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, Span

from spacy_cardioner import brat
from spacy_cardioner.annotate.engine import (
    Mention,
    annotate_texts,
    cut,
    doc_entities,
    load_pipeline,
)
from spacy_cardioner.annotate.readers import Notes, SourceNote
from spacy_cardioner.annotate.writers import (
    brat_writer,
    jsonl_writer,
    refuse_overwriting,
    tsv_writer,
)
from spacy_cardioner.errors import CardionerError

NOTE = "Fibrilación auricular.\r\nToma bisoprolol\r\n2,5 mg y 🫀 AAS."


@pytest.fixture(scope="module")
def nlp() -> Language:
    """Every pair of words is an entity, over line ends too."""
    nlp = spacy.blank("es")
    word, gap = {"IS_SPACE": False}, {"IS_SPACE": True, "OP": "?"}
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PAR", "pattern": [word, gap, word]}])
    return nlp


@pytest.fixture
def score_extension() -> Iterator[None]:
    Span.set_extension("score", default=None)
    yield
    Span.remove_extension("score")


def put(folder: Path, **notes: str | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in notes.items():
        data = text if isinstance(text, bytes) else text.encode()
        (folder / f"{name}.txt").write_bytes(data)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


TEXTS = st.text(st.characters(codec="utf-8")) | st.text(
    "aé🫀́ .,\n\r\t\u2028\x85\x1c\ufeff", max_size=60
)


@settings(deadline=None)
@given(text=TEXTS, limit=st.integers(1, 80))
@example(text=NOTE, limit=1_000_000)
@example(text="\ufeff\ufeffdos marcas", limit=80)
def test_offsets_hold_in_every_format(nlp: Language, text: str, limit: int) -> None:
    nlp.max_length = limit
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        put(folder / "in", n=text)
        out = folder / "out"
        with (
            brat_writer(out) as to_brat,
            tsv_writer(out / "n.tsv") as to_tsv,
            jsonl_writer(out / "n.jsonl", with_text=True) as to_jsonl,
        ):
            [(note, found)] = annotate_texts(nlp, Notes(folder / "in"))
            for write in (to_brat, to_tsv, to_jsonl):
                write(note.id, note.text, found)

        text = text.removeprefix("\ufeff")
        assert note == SourceNote("n", text)
        assert found or len(text.split()) < 2 or limit < len(text)
        assert all(text[start:end] == mention for start, end, _, mention, *_ in found)

        standoff = brat.read_note(out / "n.txt")
        assert standoff.text == text
        assert brat.entities(standoff) == [mention[:4] for mention in found]
        table = brat.read_tsv(out / "n.tsv").get("n", [])
        assert [row[:3] for row in table] == [mention[:3] for mention in found]
        assert [row.text.split() for row in table] == [mention.text.split() for mention in found]
        row = json.loads((out / "n.jsonl").read_bytes())
        assert row["text"] == text
        assert row["entities"] == [
            {"start": start, "end": end, "label": "PAR", "text": text[start:end]}
            for start, end, *_ in found
        ]


@settings(deadline=None)
@given(text=st.text("ab.\n\r ", max_size=80), limit=st.integers(1, 20))
def test_pieces_are_the_whole_text_and_within_the_limit(text: str, limit: int) -> None:
    pieces = [text[start:end] for start, end in cut(text, limit)]
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= limit for piece in pieces) or pieces == [""]


@pytest.mark.parametrize(
    "text, first",
    [
        ("Uno. Dos\nTres cuatro cinco", "Uno. Dos\n"),
        ("Uno. Dos\r\nTres cuatro cinco", "Uno. Dos\r\n"),
        ("Uno. Dos tres cuatro cinco", "Uno. "),
        ("Uno dos tres cuatro cinco", "Uno dos tres "),
        ("Unodostrescuatrocinco", "Unodostrescuatr"),
    ],
)
def test_a_text_is_cut_after_a_line_else_a_sentence_else_a_word(text: str, first: str) -> None:
    start, end = next(cut(text, 15))
    assert text[start:end] == first


def test_a_text_over_the_limit_gives_what_it_gives_in_one_piece() -> None:
    nlp = spacy.blank("es")
    patterns = [{"label": "X", "pattern": "dolor torácico"}, {"label": "Y", "pattern": "fiebre"}]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    text = "dolor torácico\r\nsin fiebre\n\n" * 40
    [(_, whole)] = annotate_texts(nlp, [SourceNote("a", text)])
    nlp.max_length = 100
    notes = [SourceNote("a", text), SourceNote("b", ""), SourceNote("c", text)]
    (_, first), (_, empty), (note, last) = annotate_texts(nlp, notes, batch_size=3)
    assert len(whole) == 80
    assert first == whole == last
    assert empty == []
    assert note.id == "c"


def test_notes_are_read_as_they_are_needed(nlp: Language) -> None:
    taken = 0

    def notes() -> Iterator[SourceNote]:
        nonlocal taken
        for taken in range(1, 1000):
            yield SourceNote(str(taken), "sin fiebre")

    next(annotate_texts(nlp, notes(), batch_size=10))
    assert taken <= 20


def test_a_tokenizer_that_changes_the_text_is_refused() -> None:
    nlp = spacy.blank("es")
    vocab = nlp.vocab
    nlp.tokenizer = lambda text: Doc(vocab, words=text.split())
    with pytest.raises(CardionerError, match="^nota: .*tokenizer") as caught:
        list(annotate_texts(nlp, [SourceNote("nota", "sin  fiebre")]))
    assert "fiebre" not in str(caught.value)


def test_entities_come_from_the_span_group_where_there_is_one(score_extension: None) -> None:
    doc = spacy.blank("es")("alergia a penicilina")
    doc.ents = [Span(doc, 0, 1, label="ENFERMEDAD")]
    assert doc_entities(doc) == [Mention(0, 7, "ENFERMEDAD", "alergia")]

    drug = Span(doc, 2, 3, label="FARMACO", kb_id="J01CE01")
    drug._.score = 0.5
    disease = Span(doc, 0, 3, label="ENFERMEDAD")
    doc.spans["cardioner"] = [drug, disease, Span(doc, 0, 3, label="A")]
    assert doc_entities(doc) == [
        Mention(0, 20, "A", "alergia a penicilina"),
        Mention(0, 20, "ENFERMEDAD", "alergia a penicilina"),
        Mention(10, 20, "FARMACO", "penicilina", 0.5, "J01CE01"),
    ]

    doc.spans["cardioner"] = []
    assert doc_entities(doc) == []


def test_scores_are_optional() -> None:
    doc = spacy.blank("es")("alergia")
    doc.ents = [Span(doc, 0, 1, label="ENFERMEDAD")]
    assert not Span.has_extension("score")
    assert doc_entities(doc)[0].score is None


@pytest.mark.parametrize("model", ["es_nowhere", "no/such/folder", "spacy", "pytest"])
def test_what_is_no_pipeline_is_named(model: str) -> None:
    with pytest.raises(CardionerError, match=f"^{model}: "):
        load_pipeline(model)


def test_a_folder_is_read_sorted_and_without_hidden_files(tmp_path: Path) -> None:
    put(tmp_path, b="b", a="a", **{"a-1": "", "._a": b"\x00\xff", "con espacio": "c"})
    put(tmp_path / "more.txt", d="d")
    (tmp_path / "a.ann").write_text("T1\tX 0 1\ta\n")
    notes = Notes(tmp_path)
    assert len(notes) == 4
    assert list(notes) == [("a", "a"), ("a-1", ""), ("b", "b"), ("con espacio", "c")]


def test_characters_are_kept_and_a_mark_is_not_counted(tmp_path: Path) -> None:
    put(tmp_path, n=b"\xef\xbb\xbfa\r\nb\rc\n\xc2\x85e\xcc\x81")
    assert list(Notes(tmp_path / "n.txt")) == [("n", "a\r\nb\rc\n\x85e\u0301")]


def test_a_fault_is_found_before_the_first_note(tmp_path: Path) -> None:
    put(tmp_path, a="bien", b="ni\xf1o".encode("latin-1"), c="bien")
    with pytest.raises(CardionerError, match=r"b\.txt.*not UTF-8 from byte 2"):
        next(iter(Notes(tmp_path)))


def test_lenient_leaves_out_what_cannot_be_read_and_says_why(tmp_path: Path) -> None:
    put(tmp_path, a="bien", b="ni\xf1o".encode("latin-1"), c="bien")
    (tmp_path / "d.txt").symlink_to(tmp_path / "d.txt")
    notes = Notes(tmp_path, lenient=True)
    assert [note.id for note in notes] == ["a", "c"]
    [reason] = notes.skipped
    assert "b.txt" in reason
    assert "not UTF-8" in reason


def test_a_file_name_that_no_output_could_hold_is_at_fault(tmp_path: Path) -> None:
    path = tmp_path / "ni\udcf1o.txt"
    try:
        path.write_bytes(b"bien")
    except OSError:
        pytest.skip("this file system takes no names but UTF-8")
    notes = Notes(tmp_path, lenient=True)
    assert list(notes) == []
    assert "name is not UTF-8" in notes.skipped[0]


@pytest.mark.parametrize("missing", ["nothing", "empty"])
def test_nothing_to_read_is_an_error(tmp_path: Path, missing: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CardionerError, match=missing):
        Notes(tmp_path / missing)


ENTITIES = [Mention(0, 21, "ENFERMEDAD", NOTE[:21], 0.25), Mention(29, 47, "FARMACO", NOTE[29:47])]


def test_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.jsonl"
    with jsonl_writer(path) as write:
        write("a", NOTE, [ENTITIES[0], ENTITIES[1]._replace(kb_id="C07AB07", score=0.0)])
        write("b", "", [])
    assert path.read_text(encoding="utf-8") == (
        '{"id": "a", "entities": ['
        '{"start": 0, "end": 21, "label": "ENFERMEDAD", "text": "Fibrilación auricular", '
        '"score": 0.25}, '
        '{"start": 29, "end": 47, "label": "FARMACO", "text": "bisoprolol\\r\\n2,5 mg", '
        '"score": 0.0, "kb_id": "C07AB07"}]}\n'
        '{"id": "b", "entities": []}\n'
    )


def test_tsv_is_the_table_that_brat_writes(tmp_path: Path) -> None:
    tabbed = Mention(0, 3, "X", "a\tb")
    with tsv_writer(tmp_path / "ours.tsv") as write:
        write("a", NOTE, ENTITIES)
        write("b", "", [])
        write("c", tabbed.text, [tabbed])
    rows = {"a": ENTITIES, "c": [tabbed]}
    brat.write_tsv(
        tmp_path / "theirs.tsv",
        {name: [brat.Entity(*mention[:4]) for mention in found] for name, found in rows.items()},
    )
    assert (tmp_path / "ours.tsv").read_bytes() == (tmp_path / "theirs.tsv").read_bytes()


def test_tsv_refuses_a_name_that_would_make_a_column(tmp_path: Path) -> None:
    with pytest.raises(CardionerError, match="tab"), tsv_writer(tmp_path / "out.tsv") as write:
        write("a\tb", NOTE, ENTITIES)


def test_brat_writes_each_note_whole_and_at_once(tmp_path: Path) -> None:
    with brat_writer(tmp_path / "out") as write:
        write("a", NOTE, ENTITIES)
        write("b", "", [])
        assert {"a.txt", "a.ann", "b.txt", "b.ann"} < set(names(tmp_path / "out"))
    assert names(tmp_path / "out") == ["a.ann", "a.txt", "b.ann", "b.txt"]
    assert (tmp_path / "out" / "a.txt").read_bytes() == NOTE.encode()
    assert (tmp_path / "out" / "b.ann").read_bytes() == b""


def test_a_run_that_fails_leaves_no_half_file(tmp_path: Path) -> None:
    old = tmp_path / "old.jsonl"
    old.write_text("old\n")
    with pytest.raises(RuntimeError), jsonl_writer(old) as write:
        write("a", NOTE, ENTITIES)
        raise RuntimeError
    with pytest.raises(RuntimeError), tsv_writer(tmp_path / "new.tsv") as write:
        write("a", NOTE, ENTITIES)
        raise RuntimeError
    assert old.read_text() == "old\n"
    assert names(tmp_path) == ["old.jsonl"]

    with pytest.raises(CardionerError), brat_writer(tmp_path / "out") as write:
        write("a", NOTE, ENTITIES)
        write("b", NOTE, [Mention(0, 3, "two words", NOTE[:3])])
    assert names(tmp_path / "out") == ["a.ann", "a.txt"]


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    link = tmp_path / "link.jsonl"
    link.symlink_to(tmp_path / "target.jsonl")
    with jsonl_writer(link) as write:
        write("a", "", [])
    assert link.is_symlink()
    assert (tmp_path / "target.jsonl").read_text() == '{"id": "a", "entities": []}\n'


def test_what_is_no_plain_file_is_written_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with jsonl_writer(pipe) as write:
        write("a", "", [])
    assert os.read(reading, 100) == b'{"id": "a", "entities": []}\n'
    os.close(reading)
    assert pipe.is_fifo()


def test_sources_are_never_overwritten(tmp_path: Path) -> None:
    folder = put(tmp_path / "in", a="a")
    source = folder / "a.txt"
    (tmp_path / "link").symlink_to(folder)
    for output in (folder, source, tmp_path / "in" / ".." / "in", tmp_path / "link"):
        with pytest.raises(CardionerError, match="somewhere else"):
            refuse_overwriting([source], output)
    for output in (tmp_path, tmp_path / "new", folder / "out", folder / "out.tsv"):
        refuse_overwriting([source], output)
