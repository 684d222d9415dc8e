from __future__ import annotations

import json
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.build import build
from spacy_cardioner.loading import load_pipeline
from spacy_cardioner.pipeline.gazetteer.component import Gazetteer, get_marks
from spacy_cardioner.pipeline.gazetteer.linker import Linker
from spacy_cardioner.tokenizer import blank
from tests.conftest import ROOT
from tests.racing import THREADS, quick_switches

DATA = ROOT / "tests/data" / "gazetteer"
PATTERNS = [pattern.to_dict() for pattern in build([(None, DATA / "by_language.tsv")])]


@pytest.fixture(scope="module")
def nlp() -> Language:
    pipeline = blank("es")
    gazetteer = pipeline.add_pipe("cardioner_gazetteer", "gazetteer", first=True)
    linker = pipeline.add_pipe("cardioner_linker", "linker")
    assert isinstance(gazetteer, Gazetteer) and isinstance(linker, Linker)
    gazetteer.add_patterns(PATTERNS)
    return pipeline


def found(doc: Doc) -> list[tuple[str, str]]:
    """Text and id of what the gazetteer marks."""
    return [(span.text, span.kb_id_) for span in doc.spans["gazetteer"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Toma bisoprolol.", [("bisoprolol", "C07AB07")]),
        ("BISOPROLOL 5 mg", [("BISOPROLOL", "C07AB07")]),
        ("ácido acetilsalicílico", [("ácido acetilsalicílico", "B01AC06")]),
        ("Acido Acetilsalicilico", [("Acido Acetilsalicilico", "B01AC06")]),
        ("acido acetil-salicilico", []),
        ("ácido\nacetilsalicílico", [("ácido\nacetilsalicílico", "B01AC06")]),
        ("ácido \r\n acetilsalicílico", [("ácido \r\n acetilsalicílico", "B01AC06")]),
        ("ácido\n\nacetilsalicílico", []),
        ("Beta-bloqueantes", [("Beta-bloqueantes", "C07")]),
        ("beta bloqueantes", [("beta bloqueantes", "C07")]),
        ("beta - bloqueantes", []),
        ("AAS, aas", [("AAS", "B01AC06"), ("aas", "B01AC06")]),
        (
            "sacubitrilo/valsartán, valsartán",
            [("sacubitrilo/valsartán", "C09DX04"), ("valsartán", "C09CA03")],
        ),
        ("sacubitrilo + valsartan", [("sacubitrilo + valsartan", "C09DX04")]),
        (
            "amlodipino/valsartán",
            [("amlodipino", "C08CA01"), ("valsartán", "C09CA03")],
        ),
        ("antibisoprolol bisoprolole", []),
        ("", []),
        ("\n", []),
        ("-", []),
    ],
)
def test_names_are_marked(nlp: Language, text: str, expected: list[tuple[str, str]]) -> None:
    assert found(nlp(text)) == expected


def test_marks_tell_kind_and_all_candidates(nlp: Language) -> None:
    marks = list(get_marks(nlp("Aspirina y betabloqueantes; AAS")))

    assert [(mark.start, mark.end, mark.label, mark.kind) for mark in marks] == [
        (0, 1, "FARMACO", "ingredient"),
        (2, 3, "FARMACO", "group"),
        (4, 5, "FARMACO", "abbreviation"),
    ]
    assert marks[0].candidates == ["B01AC06", "A01AD05", "N02BA01"]
    assert marks[1].candidates == ["C07"]


def test_marks_survive_a_docbin(nlp: Language) -> None:
    doc = nlp("Aspirina y AAS")

    (back,) = DocBin(docs=[doc], store_user_data=True).get_docs(nlp.vocab)

    assert list(get_marks(back)) == list(get_marks(doc))
    assert list(get_marks(Doc(nlp.vocab))) == []


def test_documents_are_the_same_one_by_one_in_batches_and_in_processes(nlp: Language) -> None:
    texts = ["Toma bisoprolol.", "", "AAS y aspirina", "nada"]
    one_by_one = [found(nlp(text)) for text in texts]

    assert [found(doc) for doc in nlp.pipe(texts, batch_size=2)] == one_by_one
    assert [found(doc) for doc in nlp.pipe(texts, n_process=2)] == one_by_one


@settings(max_examples=80, deadline=None)
@given(
    text=st.lists(
        st.one_of(
            st.text(max_size=5),
            st.sampled_from(
                ["bisoprolol", "AAS", "ácido", "acetilsalicílico", "-", "/", "\n", " "]
            ),
        ),
        max_size=15,
    ).map("".join)
)
def test_any_text_can_be_marked(nlp: Language, text: str) -> None:
    doc = nlp(text)
    marks = list(get_marks(doc))

    assert doc.text == text
    assert all(0 <= mark.start < mark.end <= len(doc) for mark in marks)
    assert all(one.end <= other.start for one, other in zip(marks, marks[1:], strict=False))
    assert all(span.text in nlp.get_pipe("gazetteer") for span in doc.spans["gazetteer"])


def link(nlp: Language, text: str) -> tuple[str, str | None, list[str]]:
    """Code, kind of match and candidates of a text that is one mention."""
    doc = nlp.make_doc(text)
    doc.set_ents([Span(doc, 0, len(doc), "FARMACO")])
    doc = nlp.get_pipe("linker")(doc)
    (ent,) = doc.ents
    return ent.kb_id_, ent._.match, list(ent._.candidates)


@pytest.mark.parametrize(
    ("text", "code", "match"),
    [
        ("bisoprolol", "C07AB07", "exact"),
        ("AAS", "B01AC06", "exact"),
        ("sacubitrilo/valsartán", "C09DX04", "exact"),
        ("Bisoprolol", "C07AB07", "normalised"),
        ("acido acetilsalicilico", "B01AC06", "exact"),
        ("ACIDO acetilsalicílico", "B01AC06", "normalised"),
        ("ácido\nacetilsalicílico", "B01AC06", "exact"),
        ("aas", "B01AC06", "normalised"),
        ("amlodipina", "C08CA01", "exact"),
        ("amlodipinum", "C08CA01", "normalised"),
        ("fumarato de bisoprolol", "C07AB07", "normalised"),
        ("bisoprolol fumarate 2,5 mg", "C07AB07", "normalised"),
        ("bisoprolol 2,5 mg comprimidos", "C07AB07", "normalised"),
        ("valsartan + sacubitril", "C09DX04", "normalised"),
        ("amlodipino/inventado", "", "part"),
        ("valsartán-amlodipino", "", "part"),
        ("betabloqueantes (bisoprolol)", "C07AB07", "part"),
        ("tratamiento antiguo con bisoprolol", "C07AB07", "part"),
    ],
)
def test_a_mention_gets_a_code_and_says_how(
    nlp: Language, text: str, code: str, match: str
) -> None:
    assert link(nlp, text)[:2] == (code, match)


def test_an_unknown_mention_gets_nothing(nlp: Language) -> None:
    assert link(nlp, "inventado") == ("", None, [])
    assert link(nlp, "-") == ("", None, [])
    assert link(nlp, "un baas") == ("", None, [])


def test_candidates_are_kept(nlp: Language) -> None:
    assert link(nlp, "aspirina")[2] == ["B01AC06", "A01AD05", "N02BA01"]
    assert link(nlp, "amlodipino/valsartán") == ("", "part", ["C08CA01", "C09CA03"])


def test_spans_and_ents_of_the_label_are_linked(nlp: Language) -> None:
    doc = nlp.make_doc("Alergia a bisoprolol y más")
    drug = Span(doc, 2, 3, "FARMACO")
    disease = Span(doc, 0, 3, "ENFERMEDAD", kb_id="D1")
    doc.spans["cardioner"] = [disease, drug]
    doc.spans["cardioner"].attrs["scores"] = [0.5, 0.75]
    doc.set_ents([drug], default="missing")

    doc = nlp.get_pipe("linker")(doc)

    assert [(span.label_, span.kb_id_) for span in doc.spans["cardioner"]] == [
        ("ENFERMEDAD", "D1"),
        ("FARMACO", "C07AB07"),
    ]
    assert doc.spans["cardioner"].attrs["scores"] == [0.5, 0.75]
    assert doc.spans["cardioner"][1]._.match == "exact"
    assert [(ent.label_, ent.kb_id_) for ent in doc.ents] == [("FARMACO", "C07AB07")]
    assert doc[0].ent_iob == 0
    (back,) = DocBin(docs=[doc], store_user_data=True).get_docs(nlp.vocab)
    assert list(back.ents[0]._.candidates) == ["C07AB07"]


def test_names_are_saved_once_and_loaded(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    assert [path.parent.name for path in tmp_path.rglob("patterns.jsonl")] == ["gazetteer"]
    from_disk = spacy.load(tmp_path)
    from_bytes = spacy.blank("es", config=nlp.config).from_bytes(nlp.to_bytes())

    for other in (from_disk, from_bytes):
        assert other.get_pipe("gazetteer").patterns == nlp.get_pipe("gazetteer").patterns
        assert link(other, "aspirina") == link(nlp, "aspirina")
        assert found(other("Toma bisoprolol y AAS")) == found(nlp("Toma bisoprolol y AAS"))


def test_an_added_name_comes_first_and_stays_first(nlp: Language, tmp_path: Path) -> None:
    pipeline = spacy.blank("es")
    gazetteer = pipeline.add_pipe("cardioner_gazetteer", "gazetteer")
    pipeline.add_pipe("cardioner_linker", "linker")
    gazetteer.add_patterns(PATTERNS)
    assert link(pipeline, "aspirina")[2][:2] == ["B01AC06", "A01AD05"]
    gazetteer.add_patterns([{"label": "FARMACO", "pattern": "Aspirina", "id": "N02BA01"}] * 2)
    pipeline.to_disk(tmp_path)

    for other in (pipeline, spacy.load(tmp_path)):
        assert found(other("aspirina")) == [("aspirina", "N02BA01")]
        assert link(other, "aspirina")[2][:2] == ["N02BA01", "B01AC06"]
        assert len(other.get_pipe("gazetteer")) == len(PATTERNS) + 1


def test_the_config_names_the_patterns_file(tmp_path: Path) -> None:
    path = tmp_path / "patterns.jsonl"
    path.write_text("".join(f"{json.dumps(pattern)}\n" for pattern in PATTERNS))
    reader = {"@readers": "srsly.read_jsonl.v1", "path": str(path)}
    nlp = spacy.blank("es")
    nlp.add_pipe("cardioner_gazetteer", "gazetteer", first=True)
    nlp.add_pipe("cardioner_linker", "linker")
    nlp.config["initialize"]["components"]["gazetteer"] = {"patterns": reader}

    nlp.initialize()

    assert found(nlp("Toma Bisoprolol")) == [("Bisoprolol", "C07AB07")]
    assert link(nlp, "bisoprolol")[0] == "C07AB07"


def test_initialize_without_patterns_keeps_those_that_are_there() -> None:
    nlp = spacy.blank("es")
    nlp.add_pipe("cardioner_gazetteer", "gazetteer").add_patterns(PATTERNS)

    nlp.initialize()

    assert len(nlp.get_pipe("gazetteer")) == len(PATTERNS)


def test_labels_and_names(nlp: Language) -> None:
    gazetteer = nlp.get_pipe("gazetteer")

    assert gazetteer.labels == ("FARMACO",)
    assert "Beta bloqueantes" in gazetteer and "bloqueantes" not in gazetteer
    with pytest.raises(CardionerError, match="string"):
        gazetteer.add_patterns([{"label": "X", "pattern": [{"LOWER": "x"}]}])


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ({"label": "", "pattern": "secretol"}, "is not a label"),
        ({"label": "UN FARMACO", "pattern": "secretol"}, "is not a label"),
        ({"label": "FARMACO\n", "pattern": "secretol"}, "is not a label"),
        ({"pattern": "secret\x00ol"}, "control characters"),
        ({"pattern": "secretol" * 100}, "more than 500 characters"),
        ({"pattern": "-"}, "neither letters nor digits"),
        ({"pattern": "secretol", "kind": "secret"}, "is not a kind"),
        ({"pattern": "secretol", "also": 7}, '"also" must be a list'),
        ({"pattern": "secretol", "also": [7]}, "must be strings"),
        ({"pattern": "secretol", "always": "secret"}, "true or false"),
    ],
)
def test_a_faulty_pattern_is_named_by_its_place(
    tmp_path: Path, pattern: dict[str, Any], said: str
) -> None:
    nlp = spacy.blank("es")
    gazetteer = nlp.add_pipe("cardioner_gazetteer", "gazetteer")
    assert isinstance(gazetteer, Gazetteer)
    with pytest.raises(CardionerError, match=f"^gazetteer: pattern 2: .*{said}") as caught:
        gazetteer.add_patterns([{"pattern": "bisoprolol"}, pattern])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("gazetteer/patterns.jsonl", '{"pattern": "otro"}\n{"pattern": "secretol', ":2: not JSON"),
        ("ruler/precision.json", '{"secretol": ', ": not JSON"),
    ],
)
def test_a_damaged_file_of_a_pipeline_is_named(
    tmp_path: Path, file: str, content: str, said: str
) -> None:
    nlp = spacy.blank("es")
    for name in ("gazetteer", "ruler"):
        nlp.add_pipe(f"cardioner_{name}", name)
    nlp.to_disk(tmp_path)
    (tmp_path / file).write_text(content)

    with pytest.raises(CardionerError, match=re.escape(f"{tmp_path / file}{said}")) as caught:
        load_pipeline(tmp_path)
    assert "secretol" not in str(caught.value)


def test_a_span_without_an_id_is_marked_too() -> None:
    nlp = spacy.blank("es")
    nlp.add_pipe("cardioner_gazetteer").add_patterns([{"label": "FARMACO", "pattern": "inventol"}])

    (mark,) = get_marks(nlp("toma Inventol"))

    assert mark.candidates == []


def test_the_linker_uses_the_gazetteer_of_its_pipeline(nlp: Language) -> None:
    with nlp.select_pipes(enable=["linker"]):
        assert link(nlp, "bisoprolol")[0] == "C07AB07"
    assert link(pickle.loads(pickle.dumps(nlp)), "bisoprolol")[0] == "C07AB07"
    other = spacy.blank("es")
    for name in ("gazetteer", "linker"):
        other.add_pipe(name, source=nlp)
    assert link(other, "bisoprolol")[0] == "C07AB07"
    other = spacy.blank("es")
    other.add_pipe("cardioner_linker", "linker")
    with pytest.raises(CardionerError, match='linker: .*add_pipe.*name="gazetteer"'):
        link(other, "bisoprolol")


def test_threads_mark_names_while_the_memory_is_full(
    nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spacy_cardioner.pipeline.gazetteer.component._MAX_CACHE", 2)
    gazetteer = nlp.get_pipe("gazetteer")
    docs = [nlp.make_doc("Toma bisoprolol y AAS.") for _ in range(THREADS)]
    want = [mark.start for mark in gazetteer.find(docs[0])]
    assert want

    def find(doc: Doc) -> bool:
        return [mark.start for mark in gazetteer.find(doc)] == want

    with quick_switches(), ThreadPoolExecutor(THREADS) as threads:
        for _ in range(100):
            assert all(threads.map(find, docs))
