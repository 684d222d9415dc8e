"""Voting of several pipelines, made of rules that are known here."""

from __future__ import annotations

import gzip
import itertools
import json
from pathlib import Path

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from spacy_cardioner import brat
from spacy_cardioner.cli import main
from spacy_cardioner.corpus import NOTE_ID, read_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.ensemble import (
    Scored,
    Text,
    ensemble,
    joined_entities,
    read_inputs,
    vote,
    write_silver,
)

DISEASE, DRUG = "ENFERMEDAD", "FARMACO"
TEXT = "Toma bisoprolol y potasio. Tiene fibrilación auricular. "


def test_mean_of_the_scores() -> None:
    first = [Scored(1, 2, DRUG, 0.9), Scored(3, 4, DRUG, 0.8), Scored(5, 7, DISEASE, 0.6)]
    second = [Scored(1, 2, DRUG, 0.7), Scored(5, 7, DISEASE, 0.3)]
    assert vote([first, second]) == [Scored(1, 2, DRUG, pytest.approx(0.8))]
    assert vote([first, second], threshold=0.39) == [
        Scored(1, 2, DRUG, pytest.approx(0.8)),
        Scored(3, 4, DRUG, pytest.approx(0.4)),
        Scored(5, 7, DISEASE, pytest.approx(0.45)),
    ]


def test_majority_is_more_than_half() -> None:
    one, other = Scored(1, 2, DRUG, 0.1), Scored(3, 4, DRUG, 0.99)
    assert vote([[one], [other]], method="majority") == []
    assert vote([[one, other], [one], [other]], method="majority") == [
        Scored(1, 2, DRUG, pytest.approx(2 / 3)),
        Scored(3, 4, DRUG, pytest.approx(2 / 3)),
    ]


def test_overlapping_entities_of_one_label_by_best_sum() -> None:
    whole, left, right = (
        Scored(0, 4, DRUG, 0.5),
        Scored(0, 2, DRUG, 0.3),
        Scored(2, 4, DRUG, 0.3),
    )
    nested = Scored(0, 4, DISEASE, 0.2)
    assert vote([[whole, left, right, nested]], threshold=0.1) == [left, nested, right]
    assert vote([[whole, left, nested]], threshold=0.1) == [nested, whole]


ENTITIES = st.builds(
    lambda start, size, score: Scored(start, start + size, DRUG, score),
    st.integers(0, 8),
    st.integers(1, 4),
    st.floats(0.05, 1.0),
)


@given(st.lists(ENTITIES, max_size=7, unique_by=lambda one: one[:2]))
def test_no_other_choice_has_a_greater_sum(found: list[Scored]) -> None:
    chosen = vote([found], threshold=0.0)

    def apart(ones: tuple[Scored, ...]) -> bool:
        pairs = itertools.combinations(ones, 2)
        return all(a.end <= b.start or b.end <= a.start for a, b in pairs)

    assert apart(tuple(chosen))
    sums = [
        sum(one.score for one in ones)
        for size in range(len(found) + 1)
        for ones in itertools.combinations(found, size)
        if apart(ones)
    ]
    assert sum(one.score for one in chosen) == pytest.approx(max(sums))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three pipelines that know different words."""
    folder = tmp_path_factory.mktemp("models")
    words = [["bisoprolol", "potasio"], ["bisoprolol"], ["potasio", "fibrilación auricular"]]
    for number, known in enumerate(words):
        nlp = blank("es")
        ruler = nlp.add_pipe("entity_ruler")
        patterns = [{"label": DISEASE if " " in word else DRUG, "pattern": word} for word in known]
        patterns.append({"label": DISEASE, "pattern": "ictus"})
        ruler.add_patterns(patterns)  # type: ignore[attr-defined]
        nlp.to_disk(folder / str(number))
    return [str(folder / str(number)) for number in range(3)]


def test_documents_hold_what_most_pipelines_found(models: list[str]) -> None:
    texts = [Text("a", 0, TEXT, True), Text("b", 0, "", True), Text("c", 40, "Ictus. ictus", False)]
    docs = list(ensemble(models, texts, method="majority"))
    assert [doc.text for doc in docs] == [text.text for text in texts]
    assert [doc.user_data[NOTE_ID] for doc in docs] == ["a", "b", "c:40"]
    group = docs[0].spans["cardioner"]
    assert [span.text for span in group] == ["bisoprolol", "potasio"]
    assert group.attrs == {"scores": pytest.approx([2 / 3, 2 / 3]), "layers": [DISEASE, DRUG]}
    assert [ent.text for ent in docs[0].ents] == ["bisoprolol", "potasio"]
    assert len(list(docs[0].sents)) == 2
    assert [ent.start_char for ent in docs[2].ents] == [7]


def test_two_processes_find_the_same(models: list[str]) -> None:
    texts = [Text(str(n), 0, TEXT * n, True) for n in range(4)]
    one, two = (list(ensemble(models, texts, n_process=n)) for n in (1, 2))
    assert [doc.to_json() for doc in one] == [doc.to_json() for doc in two]


def test_pipelines_must_fit(models: list[str], tmp_path: Path) -> None:
    texts = [Text("a", 0, "Na+/K+ 5mg", True)]
    other = spacy.blank("es")
    ruler = other.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": DRUG, "pattern": "x"}])  # type: ignore[attr-defined]
    other.to_disk(tmp_path / "labels")
    ruler.add_patterns([{"label": DISEASE, "pattern": "y"}])  # type: ignore[attr-defined]
    other.to_disk(tmp_path / "tokens")
    with pytest.raises(CardionerError, match="labels of"):
        list(ensemble([models[0], str(tmp_path / "labels")], texts))
    with pytest.raises(CardionerError, match="another tokenizer"):
        list(ensemble([models[0], str(tmp_path / "tokens")], texts))
    with pytest.raises(CardionerError, match="at least"):
        list(ensemble([], texts))


def test_inputs(tmp_path: Path) -> None:
    rows = [{"id": "one", "text": "Una línea.\nOtra línea."}, {"text": ""}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "a.jsonl").write_text(lines, encoding="utf-8")
    with gzip.open(tmp_path / "b.jsonl.gz", "wt", encoding="utf-8") as stream:
        stream.write(lines)
    doc = blank("es").make_doc(rows[0]["text"])
    doc.user_data[NOTE_ID] = "one"
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "c.spacy")
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "one.txt").write_text(rows[0]["text"], encoding="utf-8")
    pieces = [Text("one", 0, "Una línea.\n", False), Text("one", 11, "Otra línea.", False)]
    for name, more in (("a.jsonl", 1), ("b.jsonl.gz", 1), ("c.spacy", 0), ("notes", 0)):
        read = list(read_inputs(tmp_path / name, 12))
        assert read == [*pieces, *[Text("2", 0, "", True)] * more]


@pytest.mark.parametrize("line", ["[]", "{", '{"text": 1}', '{"id": "1"}', '"text"'])
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"text": "a"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(CardionerError, match=r"bad\.jsonl:2: not a JSON object"):
        list(read_inputs(path))
    with pytest.raises(CardionerError, match="cannot be read"):
        list(read_inputs(tmp_path / "none.jsonl"))
    with pytest.raises(CardionerError, match="give a DocBin"):
        list(read_inputs(tmp_path / "notes.txt"))


def test_silver_files_are_not_too_large(models: list[str], tmp_path: Path) -> None:
    texts = [Text(str(n), 0, TEXT, True) for n in range(5)]
    folder = tmp_path / "silver"
    written = write_silver(folder, ensemble(models, texts), tokens=15)
    assert [path.name for path in written] == [f"part-000{n}.spacy" for n in (1, 2, 3)]
    docs = [doc for path in written for doc in read_docbin(path, Vocab())]
    assert [doc.user_data[NOTE_ID] for doc in docs] == list("01234")
    assert docs[0].spans["cardioner"].attrs["scores"] == pytest.approx([2 / 3, 2 / 3])
    with pytest.raises(CardionerError, match=r"holds \.spacy files already"):
        write_silver(folder, [])


def test_pieces_of_a_text_are_joined(models: list[str]) -> None:
    pieces = [Text("a", 0, TEXT, False), Text("a", len(TEXT), TEXT, False), Text("b", 0, "x", True)]
    joined = list(joined_entities(ensemble(models, pieces), pieces))
    assert [(name, text) for name, text, _ in joined] == [("a", TEXT * 2), ("b", "x")]
    assert [entity.text for entity in joined[0][2]] == ["bisoprolol", "potasio"] * 2
    assert all((TEXT * 2)[e.start : e.end] == e.text for e in joined[0][2])
    with pytest.raises(CardionerError, match="two texts have this name"):
        list(joined_entities(ensemble(models, pieces[2:] * 2), pieces[2:] * 2))


def cardioner(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["cardioner", *arguments])
    with pytest.raises(SystemExit) as status:
        main()
        raise SystemExit(0)
    return int(status.value.code or 0)


def test_command(models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "raw.jsonl"
    source.write_text(json.dumps({"id": "n", "text": TEXT * 5}) + "\n", encoding="utf-8")
    base = ["ensemble", *models, "--texts", str(source), "--max-characters", "100", "-o"]
    assert cardioner(monkeypatch, *base, str(tmp_path / "out.tsv")) == 0
    assert cardioner(monkeypatch, *base, str(tmp_path / "out.spacy")) == 0
    assert cardioner(monkeypatch, *base, str(tmp_path / "brat"), "--format", "brat") == 0
    found = brat.read_tsv(tmp_path / "out.tsv")["n"]
    assert [entity.text for entity in found] == ["bisoprolol", "potasio"] * 5
    (note,) = brat.read_folder(tmp_path / "brat")
    assert note.text == TEXT * 5 and brat.entities(note) == found
    assert sum(len(doc.ents) for doc in read_docbin(tmp_path / "out.spacy", Vocab())) == 10
    assert cardioner(monkeypatch, *base, str(tmp_path / "none.tsv"), "--threshold", "0.7") == 0
    assert brat.read_tsv(tmp_path / "none.tsv") == {}
    source.write_text("", encoding="utf-8")
    assert cardioner(monkeypatch, *base, str(tmp_path / "x.tsv")) == 1
