from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import spacy
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.cli._util import app
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from typer.testing import CliRunner

from spacy_cardioner.corpus import write_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.precision import Precision
from spacy_cardioner.pipeline.gazetteer.component import Gazetteer
from spacy_cardioner.pipeline.gazetteer.ruler import Ruler
from spacy_cardioner.tokenizer import blank

NAMES = {
    "bisoprolol": "ingredient",
    "enalapril": "ingredient",
    "ramipril": "ingredient",
    "novol": "ingredient",
    "corticoides": "group",
    "estatinas": "group",
    "antibióticos": "group",
    "hierro": "ingredient",
    "potasio": "ingredient",
}
PATTERNS = [{"label": "FARMACO", "pattern": name, "kind": kind} for name, kind in NAMES.items()]

# What is between brackets is annotated.
CORPUS = [
    "Toma [bisoprolol] y [enalapril].",
    "Se añade [ramipril] a corticoides y estatinas.",
    "Con [hierro] oral. Hierro sérico 40 µg/dl, potasio 4 mEq/l.",
    "Se inicia [hierro]. Trombo rico en hierro.",
    "Corticoides sin [bisoprolol].",
]


def annotated(nlp: Language, text: str, layers: Iterable[str] = ("FARMACO",)) -> Doc:
    """The document of a text with marked entities."""
    parts = text.replace("]", "[").split("[")
    doc = nlp.make_doc("".join(parts))
    spans: list[Span] = []
    start = 0
    for number, part in enumerate(parts):
        if number % 2:
            span = doc.char_span(start, start + len(part), "FARMACO")
            assert span is not None
            spans.append(span)
        start += len(part)
    doc.spans["cardioner"] = SpanGroup(
        doc, name="cardioner", spans=spans, attrs={"layers": list(layers)}
    )
    return doc


def examples(nlp: Language, texts: Iterable[str] = CORPUS) -> list[Example]:
    return [Example(doc.copy(), doc) for doc in (annotated(nlp, text) for text in texts)]


def parts_of(nlp: Language) -> tuple[Gazetteer, Ruler]:
    gazetteer, ruler = nlp.get_pipe("gazetteer"), nlp.get_pipe("ruler")
    assert isinstance(gazetteer, Gazetteer) and isinstance(ruler, Ruler)
    return gazetteer, ruler


@pytest.fixture(scope="module")
def nlp() -> Language:
    pipeline = blank("es")
    pipeline.add_pipe("cardioner_gazetteer", "gazetteer", first=True)
    pipeline.add_pipe("cardioner_ruler", "ruler")
    parts_of(pipeline)[0].add_patterns(PATTERNS)
    pipeline.initialize(lambda: examples(pipeline))
    return pipeline


def with_model(nlp: Language, text: str, *found: tuple[int, int, str]) -> Doc:
    """What the pipeline makes of a text in which a model found entities."""
    gazetteer, ruler = parts_of(nlp)
    doc = gazetteer(nlp.make_doc(text))
    spans = [Span(doc, *mention) for mention in found]
    attrs = {"scores": [0.5] * len(spans), "layers": ["ENFERMEDAD", "FARMACO"]}
    doc.spans["cardioner"] = SpanGroup(doc, name="cardioner", spans=spans, attrs=attrs)
    doc.set_ents([span for span in spans if span.label_ == "ENFERMEDAD"] or spans)
    return ruler(doc)


def added(doc: Doc) -> list[str]:
    return [span.text for span in doc.spans["cardioner"]]


def test_what_the_model_missed_is_added_with_its_precision(nlp: Language) -> None:
    doc = with_model(nlp, "Toma enalapril y bisoprolol", (1, 2, "FARMACO"))

    assert [(span.text, span.label_) for span in doc.spans["cardioner"]] == [
        ("enalapril", "FARMACO"),
        ("bisoprolol", "FARMACO"),
    ]
    precision = parts_of(nlp)[1].precision.of("ingredient", "bisoprolol")
    assert doc.spans["cardioner"].attrs["scores"] == [0.5, precision]
    assert [ent.text for ent in doc.ents] == ["enalapril", "bisoprolol"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Toma novol", ["novol"]),  # never seen, as good as the other substances
        ("Toma antibióticos", []),  # never seen, as bad as the other groups
        ("Toma corticoides", []),
        ("Potasio 40 mEq", []),  # analytes that are not annotated where they are seen
        ("BISOPROLOL\nBisoprolol", ["BISOPROLOL", "Bisoprolol"]),
        ("nada", []),
        ("", []),
    ],
)
def test_a_name_counts_if_it_is_precise(nlp: Language, text: str, expected: list[str]) -> None:
    assert added(with_model(nlp, text)) == expected


def test_the_model_is_never_overruled(nlp: Language) -> None:
    doc = with_model(nlp, "Toma bisoprolol retard", (1, 3, "FARMACO"))

    assert added(doc) == ["bisoprolol retard"]
    assert [ent.text for ent in doc.ents] == ["bisoprolol retard"]


def test_a_drug_inside_a_disease_is_added_beside_it(nlp: Language) -> None:
    doc = with_model(nlp, "Alergia a bisoprolol", (0, 3, "ENFERMEDAD"))

    assert [(span.text, span.label_) for span in doc.spans["cardioner"]] == [
        ("Alergia a bisoprolol", "ENFERMEDAD"),
        ("bisoprolol", "FARMACO"),
    ]
    assert [ent.label_ for ent in doc.ents] == ["ENFERMEDAD"]


def test_analytes_count_outside_a_laboratory_context_alone(nlp: Language) -> None:
    pipeline = blank("es")
    pipeline.add_pipe("cardioner_gazetteer", "gazetteer", first=True)
    pipeline.add_pipe("cardioner_ruler", "ruler")
    parts_of(pipeline)[0].add_patterns(PATTERNS)
    pipeline.initialize(lambda: examples(pipeline, ["Con [hierro]. Hierro 40 µg/dl"] * 5))

    assert parts_of(pipeline)[1].precision.counts == {"analyte": {"hierro": (5, 5)}}
    assert added(with_model(pipeline, "Tratado con hierro. Hierro sérico.")) == ["hierro"]


def test_names_with_always_count_whatever_was_measured(tmp_path: Path) -> None:
    pipeline = blank("es")
    pipeline.add_pipe("cardioner_gazetteer", "gazetteer", first=True)
    pipeline.add_pipe("cardioner_ruler", "ruler")
    gazetteer, _ = parts_of(pipeline)
    gazetteer.add_patterns(PATTERNS)

    assert added(with_model(pipeline, "bisoprolol y corticoides")) == []

    gazetteer.add_patterns([{**PATTERNS[0], "id": "C07AB07", "always": True}])
    pipeline.to_disk(tmp_path)
    for other in (pipeline, spacy.load(tmp_path)):
        doc = with_model(other, "bisoprolol y corticoides")
        assert added(doc) == ["bisoprolol"]
        assert doc.spans["cardioner"].attrs["scores"] == [1.0]
        assert [(s.kb_id_, s._.score, s._.source) for s in doc.spans["cardioner"]] == [
            ("C07AB07", 1.0, "ruler")
        ]


def test_a_corpus_is_read_from_files(nlp: Language, tmp_path: Path) -> None:
    docs = [annotated(nlp, text) for text in CORPUS]
    write_docbin(tmp_path / "a.spacy", docs[:2])
    write_docbin(tmp_path / "b.spacy", docs[2:])
    fresh = Ruler(nlp)

    files = [str(tmp_path / name) for name in ("a.spacy", "b.spacy")]
    for corpus in (files, str(tmp_path)):
        fresh.initialize(lambda: [], nlp=nlp, corpus=corpus)
        assert fresh.precision.counts == parts_of(nlp)[1].precision.counts
    with pytest.raises(CardionerError, match=r"c\.spacy"):
        fresh.initialize(lambda: [], nlp=nlp, corpus=str(tmp_path / "c.spacy"))


def test_a_layer_that_is_not_annotated_tells_nothing(nlp: Language) -> None:
    _, ruler = parts_of(nlp)
    fresh = Ruler(nlp)
    fresh.initialize(
        lambda: [Example(nlp.make_doc("Bisoprolol"), annotated(nlp, "Bisoprolol", ["OTRO"]))],
        nlp=nlp,
    )

    assert fresh.precision.counts == {}
    assert ruler.precision.counts["ingredient"]["bisoprolol"] == (2, 2)


def test_entities_that_were_there_stay_as_they_are(nlp: Language) -> None:
    gazetteer, ruler = parts_of(nlp)
    doc = gazetteer(nlp.make_doc("Fiebre y bisoprolol"))
    doc.set_ents([Span(doc, 0, 1, "ENFERMEDAD", kb_id="D1")], default="missing")

    doc = ruler(doc)

    assert [(ent.text, ent.kb_id_) for ent in doc.ents] == [("Fiebre", "D1"), ("bisoprolol", "")]
    assert doc[1].ent_iob == 0
    assert "cardioner" not in doc.spans


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(st.sampled_from([*NAMES, "sérico", "40", "mEq/l", ".", "\n", "y"]), max_size=12),
    borders=st.lists(st.tuples(st.integers(0, 11), st.integers(1, 3)), max_size=4),
)
def test_no_two_drugs_ever_overlap(
    nlp: Language, words: list[str], borders: list[tuple[int, int]]
) -> None:
    text = " ".join(words)
    length = len(nlp.make_doc(text))
    found = {
        (start, min(start + size, length), "FARMACO") for start, size in borders if start < length
    }
    single = [next(iter(found))] if found else []
    doc = with_model(nlp, text, *single)

    tokens = [token.i for span in doc.spans["cardioner"] for token in span]
    assert len(tokens) == len(set(tokens))
    assert len(doc.spans["cardioner"].attrs["scores"]) == len(doc.spans["cardioner"])
    assert all((s, e) in {(x.start, x.end) for x in doc.spans["cardioner"]} for s, e, _ in single)


def test_it_is_saved_and_loaded(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    text = "Toma bisoprolol y corticoides"

    for other in (spacy.load(tmp_path), spacy.blank("es", config=nlp.config)):
        if not parts_of(other)[1].precision.counts:
            other.from_bytes(nlp.to_bytes())
        assert parts_of(other)[1].precision.counts == parts_of(nlp)[1].precision.counts
        assert added(with_model(other, text)) == ["bisoprolol"]


def test_batches_and_processes_give_the_same(nlp: Language) -> None:
    texts = ["Toma bisoprolol.", "", "corticoides", "hierro sérico y novol"]
    one_by_one = [[ent.text for ent in nlp(text).ents] for text in texts]

    assert one_by_one == [["bisoprolol"], [], [], ["novol"]]
    for processes in (1, 2):
        docs = nlp.pipe(texts, n_process=processes, batch_size=2)
        assert [[ent.text for ent in doc.ents] for doc in docs] == one_by_one


ASSEMBLE = """
[paths]
trained = null
corpus = null

[nlp]
lang = "es"
pipeline = ["gazetteer","ruler"]

[nlp.tokenizer]
@tokenizers = "spacy_cardioner.ClinicalTokenizer.v1"

[components]

[components.gazetteer]
source = ${paths.trained}

[components.ruler]
factory = "cardioner_ruler"

[initialize]

[initialize.components]

[initialize.components.ruler]
corpus = ${paths.corpus}
"""


def test_it_is_built_when_a_pipeline_is_joined_from_trained_parts(
    nlp: Language, tmp_path: Path
) -> None:
    nlp.to_disk(tmp_path / "trained")
    write_docbin(tmp_path / "corpus.spacy", [annotated(nlp, text) for text in CORPUS])
    (tmp_path / "assemble.cfg").write_text(ASSEMBLE)
    arguments = ["assemble", tmp_path / "assemble.cfg", tmp_path / "out"]
    arguments += ["--paths.trained", tmp_path / "trained"]
    arguments += ["--paths.corpus", tmp_path / "corpus.spacy"]

    assert CliRunner().invoke(app, list(map(str, arguments))).exit_code == 0

    joined = spacy.load(tmp_path / "out")
    assert parts_of(joined)[1].precision.counts == parts_of(nlp)[1].precision.counts
    assert [ent.text for ent in joined("Toma bisoprolol y corticoides").ents] == ["bisoprolol"]


def test_a_pipeline_without_gazetteer_says_what_to_add() -> None:
    pipeline = blank("es")
    pipeline.add_pipe("cardioner_ruler", "ruler")

    for call in (pipeline.initialize, lambda: pipeline("Toma bisoprolol")):
        with pytest.raises(CardionerError, match='ruler: .*add_pipe.*name="gazetteer"'):
            call()


def test_a_disabled_gazetteer_and_one_of_another_name_are_found(nlp: Language) -> None:
    with nlp.select_pipes(disable=["gazetteer"]):
        assert parts_of(nlp)[1].find(nlp("Toma bisoprolol")) is not None
    pipeline = blank("es")
    pipeline.add_pipe("cardioner_gazetteer", "names", config={"spans_key": "names"})
    pipeline.add_pipe("cardioner_ruler", config={"gazetteer": "names"})
    pipeline.get_pipe("names").add_patterns(  # type: ignore[attr-defined]
        [{"label": "FARMACO", "pattern": "bisoprolol", "always": True}]
    )
    assert [ent.text for ent in pipeline("Toma bisoprolol").ents] == ["bisoprolol"]


def test_precision_is_smoothed_towards_the_group() -> None:
    precision = Precision()
    assert precision.of("ingredient", "x") == 0.0
    for name in "abcdefgh":
        precision.count("ingredient", name, right=True)
        precision.count("group", name.upper(), right=False)

    assert precision.of("ingredient", "new") > 0.85
    assert precision.of("group", "new") < 0.15
    assert 0.4 < precision.of("brand", "new") < 0.6
    precision.count("ingredient", "a", right=False)
    assert precision.of("ingredient", "b") > precision.of("ingredient", "a") > 0.5
    again = Precision.from_dict(srsly.json_loads(srsly.json_dumps(precision.to_dict())))
    assert again.counts == precision.counts
    assert again.of("ingredient", "a") == precision.of("ingredient", "a")
