"""What benchmarks try: layers whose gradients are right, augmenters, doubts, weighted texts."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy
import pytest
import srsly
from spacy.ml.models import MaxoutWindowEncoder, MultiHashEmbed
from spacy.tokens import SpanGroup
from spacy.training import Example
from thinc.api import Model, fix_random_seed

from spacy_cardioner.corpus import NOTE_ID, SPANS_KEY
from spacy_cardioner.tokenizer import blank
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import closeness  # noqa: E402
import disagreements  # noqa: E402
import tried  # noqa: E402

WIDTH = 8
TEXTS = ["Paciente con fiebre. Toma aspirina y fiebre.\nMás texto aquí.", "Nota con furosemida."]


def embedding() -> Model[Any, Any]:
    return MultiHashEmbed(width=WIDTH, attrs=["NORM"], rows=[50], include_static_vectors=False)


def encoder() -> Model[Any, Any]:
    return MaxoutWindowEncoder(width=WIDTH, window_size=1, maxout_pieces=2, depth=1)


def context() -> Model[Any, Any]:
    from spacy.ml.models.tok2vec import build_Tok2Vec_model

    return build_Tok2Vec_model(embedding(), tried.create_note_context(encoder(), WIDTH))


@pytest.mark.parametrize(
    "make",
    [
        lambda: tried.create_characters(embedding(), WIDTH),
        lambda: tried.create_affixes(embedding(), WIDTH),
        lambda: tried.create_sentences(embedding(), encoder()),
        context,
    ],
)
def test_gradients_say_how_the_output_changes(make: Any) -> None:
    # A way over a kink of a maxout has two slopes, and one that hardly matters drowns in rounding;
    # a wrong gradient is wrong everywhere.
    assert sum(map(gradient_is_slope, [make] * 9, range(9))) >= 5


def gradient_is_slope(make: Any, seed: int) -> bool:
    """Whether gradients say how much the output changes when weights go a step at random."""
    fix_random_seed(seed)
    docs = list(blank("es").pipe(TEXTS))
    model = make()
    model.initialize(X=docs)
    random = numpy.random.RandomState(seed)
    nodes = [(node, name) for node in model.walk() for name in node.param_names]
    start = [
        (node.get_param(name) + random.normal(0, 0.1, node.get_param(name).shape)).astype("f")
        for node, name in nodes
    ]
    steps = [random.normal(size=values.shape).astype("f") for values in start]

    def go(far: float) -> None:
        for (node, name), values, step in zip(nodes, start, steps, strict=True):
            node.set_param(name, values + numpy.float32(far) * step)

    go(0)
    output, backprop = model(docs, True)
    assert [len(rows) for rows in output] == [len(doc) for doc in docs]
    wanted = [random.normal(size=rows.shape).astype("f") for rows in output]
    backprop(wanted)
    told = sum((node.get_grad(n) * s).sum() for (node, n), s in zip(nodes, steps, strict=True))

    sums = []
    for far in (1e-4, -1e-4):
        go(far)
        rows = model(docs, True)[0]
        sums.append(sum((r * w).sum(dtype="d") for r, w in zip(rows, wanted, strict=True)))
    return bool((sums[0] - sums[1]) / 2e-4 == pytest.approx(told, rel=0.02, abs=0.5))


def example(text: str, *spans: tuple[int, int, str]) -> tuple[Any, Example]:
    nlp = blank("es")
    doc = nlp.make_doc(text)
    doc.user_data[NOTE_ID] = "note"
    found = [doc.char_span(start, end, label=label) for start, end, label in spans]
    layers = {"layers": ["ENFERMEDAD", "FARMACO"]}
    doc.spans[SPANS_KEY] = SpanGroup(doc, name=SPANS_KEY, spans=found, attrs=layers)
    return nlp, Example(nlp.make_doc(text), doc)


def test_doses_are_trimmed_and_drugs_replaced(tmp_path: Path) -> None:
    nlp, given = example(
        "Suero de dextrosa 1,5 % y fiebre", (9, 23, "FARMACO"), (26, 32, "ENFERMEDAD")
    )
    [trimmed] = tried.create_trimmed_doses("es")(nlp, given)
    group = trimmed.reference.spans[SPANS_KEY]
    assert [span.text for span in group] == ["dextrosa", "fiebre"]
    assert group.attrs["layers"] == ["ENFERMEDAD", "FARMACO"]

    srsly.write_jsonl(tmp_path / "list.jsonl", [{"pattern": "ramipril"}])
    augment = tried.create_listed_mentions(str(tmp_path / "list.jsonl"), level=1.0)
    [replaced] = augment(nlp, trimmed)
    assert [span.text for span in replaced.reference.spans[SPANS_KEY]] == ["ramipril", "fiebre"]
    assert replaced.reference.text == "Suero de ramipril 1,5 % y fiebre"


def test_doubtful_mentions_are_not_learned(tmp_path: Path) -> None:
    nlp, given = example("Toma ferro y aspirina", (5, 10, "FARMACO"), (13, 21, "FARMACO"))
    ner: Any = nlp.add_pipe("multihead_ner", name="ner")
    nlp.initialize(lambda: [given])
    doubts = [{"label": "FARMACO", "start": 5, "end": 10}]
    srsly.write_jsonl(tmp_path / "doubts.jsonl", [{"id": "note", "doubts": doubts}])
    assert ner._get_targets([given])[1][-1].tolist() == [1, 1, 1, 1]
    tried.create_doubts(str(tmp_path / "doubts.jsonl"), 0.0)(nlp)
    assert ner._get_targets([given])[1][-1].tolist() == [1, 0, 1, 1]


def test_languages_disagree_on_what_one_alone_has() -> None:
    texts = ["Toma furosemida, ferro y ramipril", "Takes furosemide, iron and ramipril"]
    es = [disagreements.place(texts[0], 5, 15), disagreements.place(texts[0], 17, 22)]
    en = [disagreements.place(texts[1], 6, 16), disagreements.place(texts[1], 27, 35)]
    found = disagreements.doubts(es, [en[:1], en[:1]], texts[0])
    assert [place.words for place in found] == ["ferro"]
    # Both others have ramipril, which stands in this text too.
    found = disagreements.doubts(es[:1], [en, en], texts[0])
    assert [place.words for place in found] == ["ramipril"]


def test_words_of_the_notes_are_close() -> None:
    ratio = closeness.ratios(Counter(aorta=9, tos=1), Counter(aorta=1, tos=9))
    assert ratio["aorta"] == -ratio["tos"] > 0
