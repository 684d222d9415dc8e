"""Candidates that overlap: what is counted at their borders, and which of them are chosen."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import srsly
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from typer.testing import CliRunner

from spacy_cardioner.assembly.rerank import (
    FoldDocument,
    add_reranker,
    find_candidates,
    fit,
    fit_logistic,
    read_annotated,
    rerank,
)
from spacy_cardioner.cli import app
from spacy_cardioner.corpus import docs_by_name, write_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.loading import save_pipeline
from spacy_cardioner.pipeline.reranker.boundaries import (
    BoundaryCounts,
    LogOdds,
    gap_keys,
    keys_after,
    keys_before,
    sequence_keys,
    word_keys,
)
from spacy_cardioner.pipeline.reranker.candidates import (
    FEATURES,
    SIDES,
    choose,
    features,
)
from spacy_cardioner.pipeline.reranker.component import Reranking, SpanReranker
from spacy_cardioner.spans import NOTE_ID, SPANS_KEY, Entity
from spacy_cardioner.tokenizer import blank
from tests.unit.assembly.test_stack import WORDS, make

Found = list[tuple[int, int]]
LABEL = "ENFERMEDAD"


def hashes(text: str) -> Any:
    """A word for each letter."""
    return numpy.array([ord(letter) * 0x9E3779B97F4A7C15 % 2**64 for letter in text], "uint64")


@st.composite
def documents(draw: st.DrawFn) -> list[tuple[str, Found]]:
    """Texts over four words, with entities that do not overlap."""
    drawn = []
    for text in draw(st.lists(st.text("abcd", max_size=12), min_size=1, max_size=4)):
        cuts = draw(st.lists(st.integers(0, len(text)), unique=True, max_size=6))
        cuts.sort()
        drawn.append((text, list(zip(cuts[::2], cuts[1::2], strict=False))))
    return drawn


def expected(true: Counter[str], cases: Counter[str], key: str) -> float:
    share = (sum(true.values()) + 1) / (sum(cases.values()) + 2)
    return float(numpy.log((true[key] + 2 * share) / (cases[key] - true[key] + 2 * (1 - share))))


@given(documents())
def test_borders_are_counted_as_by_hand(drawn: list[tuple[str, Found]]) -> None:
    counts = BoundaryCounts.from_documents([(hashes(t), found) for t, found in drawn], min_count=1)
    cases: dict[str, Counter[str]] = {name: Counter() for name in counts._fields}
    true: dict[str, Counter[str]] = {name: Counter() for name in counts._fields}

    def note(name: str, key: str, is_so: bool) -> None:
        cases[name][key] += 1
        true[name][key] += is_so

    for text, found in drawn:
        starts, ends = {a for a, _ in found}, {b for _, b in found}
        for i, word in enumerate(text):
            note("first", word, i in starts)
            note("last", word, i + 1 in ends)
        for i in range(len(text) + 1):
            pair = f" {text} "[i : i + 2]
            note("begins", pair, i in starts)
            note("ends", pair, i in ends)
        for a, b in found:
            for i in range(a, b):
                for k in range(1, 7):
                    if a < i and a <= i - k:
                        note("before", text[i - k : i], True)
                    if a == i and 0 <= i - k:
                        note("before", text[i - k : i], False)
            for i in range(a + 1, b + 1):
                for k in range(1, 7):
                    if i < b and i + k <= b:
                        note("after", text[i : i + k], True)
                    if i == b and i + k <= len(text):
                        note("after", text[i : i + k], False)

    for name, table in counts._asdict().items():
        for key in cases[name]:
            words = numpy.array([0 if word == " " else hashes(word)[0] for word in key], "uint64")
            got = table.look_up(sequence_keys(words, numpy.array([0]), numpy.array([len(key)])))
            assert got[0] == pytest.approx(expected(true[name], cases[name], key), abs=5e-3)


def test_keys_are_those_of_the_same_words_in_the_same_order() -> None:
    words = hashes("abcabxba")
    starts, ends = numpy.array([0, 3, 6, 0, 2]), numpy.array([2, 5, 8, 1, 2])
    ab, again, ba, a, nothing = sequence_keys(words, starts, ends).tolist()
    assert ab == again
    assert len({ab, ba, a, nothing}) == 4
    assert gap_keys(words)[1] == gap_keys(words)[4] == ab
    assert word_keys(words)[0] == a
    assert gap_keys(words)[0] != gap_keys(hashes("ba"))[0]
    # Of many words, those next to the shorter entity count.
    long = hashes("xabcdef"), numpy.array([0]), numpy.array([7])
    assert keys_before(*long) == keys_before(hashes("yabcdef"), *long[1:])
    assert keys_after(*long) == keys_after(hashes("xabcdez"), *long[1:])
    assert keys_before(*long) != keys_before(hashes("xabcdez"), *long[1:])


def test_what_was_seen_once_is_forgotten() -> None:
    keys = numpy.array([5, 7, 7], "uint32")
    table = LogOdds.from_cases(keys, numpy.array([True, True, False]), 2)
    assert table.keys.tolist() == [7]
    assert table.look_up(numpy.array([5, 9], "uint32")).tolist() == pytest.approx(
        [table.prior] * 2, rel=1e-3
    )
    assert table.look_up(keys)[1] < table.prior
    nothing = LogOdds.from_cases(keys[:0], numpy.zeros(0, bool), 2)
    assert nothing.look_up(keys).tolist() == [0.0] * 3


spans = st.tuples(st.integers(0, 9), st.integers(1, 4), st.floats(0.01, 1.0))


@st.composite
def candidate_lists(draw: st.DrawFn) -> list[Entity]:
    unique = {(a, a + n): p for a, n, p in draw(st.lists(spans, max_size=10))}
    return [candidate(*place, p) for place, p in sorted(unique.items())]


def candidate(start: int, end: int, probability: float) -> Entity:
    return Entity(start, end, LABEL, score=probability)


def overlap(one: Entity, other: Entity) -> bool:
    return one is not other and one.start < other.end and other.start < one.end


@given(candidate_lists())
def test_candidates_know_their_rivals_and_neighbours(candidates: list[Entity]) -> None:
    words = hashes("abcabdabcabcabc")
    counts = BoundaryCounts.from_documents([(words, [(1, 3), (6, 9)])], min_count=1)
    table = features(counts, words, candidates)
    assert table.shape == (len(candidates), len(FEATURES))

    def odds(one: Entity | None) -> float:
        p = min(max(one.score, 1e-3), 1 - 1e-3) if one else 0.0
        return float(numpy.log(p / (1 - p))) if one else -7.0

    def likeliest(found: list[Entity]) -> Entity | None:
        return max(found, key=lambda one: one.score, default=None)

    for one, row in zip(candidates, table.tolist(), strict=True):
        got = dict(zip(FEATURES, row, strict=True))
        others = [other for other in candidates if overlap(one, other)]
        mass = one.score + sum(other.score for other in others)
        assert got["mass"] == pytest.approx(mass, abs=1e-5)
        assert got["probability"] == pytest.approx(odds(one), abs=1e-4)
        assert got["rival"] == bool(others)
        assert got["rival_probability"] == pytest.approx(odds(likeliest(others)), abs=1e-4)
        same_start = [other for other in others if other.start == one.start]
        same_end = [other for other in others if other.end == one.end]
        sides = {
            "longer_after": [other for other in same_start if other.end > one.end],
            "shorter_after": [other for other in same_start if other.end < one.end],
            "longer_before": [other for other in same_end if other.start < one.start],
            "shorter_before": [other for other in same_end if other.start > one.start],
        }
        for side in SIDES:
            best = likeliest(sides[side])
            assert got[f"{side}_probability"] == pytest.approx(odds(best), abs=1e-4)
            if best is None:
                assert got[f"{side}_words"] == 0.0
        gaps = range(one.start + 1, one.end)
        ends = counts.ends.look_up(gap_keys(words))
        assert got["ends"] == pytest.approx(ends[one.end])
        assert got["ends_inside"] == pytest.approx(max((ends[i] for i in gaps), default=-6.0))


def test_words_that_make_the_difference_are_looked_up() -> None:
    """In what was counted, an entity goes on with c and not with d."""
    learned = [(hashes("abc"), [(0, 3)]), (hashes("abd"), [(0, 2)])]
    counts = BoundaryCounts.from_documents(learned * 5, min_count=1)
    of = {name: place for place, name in enumerate(FEATURES)}
    words = hashes("abcabd")
    candidates = [candidate(0, 2, 0.5), candidate(0, 3, 0.5), candidate(3, 5, 0.5)]
    candidates += [candidate(3, 6, 0.5)]
    short, long, short_d, long_d = features(counts, words, candidates)
    assert short[of["longer_after_words"]] == long[of["shorter_after_words"]] > 1
    assert short_d[of["longer_after_words"]] == long_d[of["shorter_after_words"]] < -1
    assert short[of["ends"]] < short_d[of["ends"]]


@given(candidate_lists(), st.floats(0.05, 0.95))
def test_the_most_probable_are_chosen_and_do_not_overlap(
    candidates: list[Entity], threshold: float
) -> None:
    chosen = choose(candidates, threshold)
    assert all(one.score >= threshold for one in chosen)
    for one in candidates:
        rivals = [other for other in chosen if overlap(one, other)]
        if one in chosen:
            assert not rivals
        elif one.score >= threshold:
            assert any(other.score >= one.score for other in rivals)


def test_a_logistic_regression_is_at_its_minimum() -> None:
    rng = numpy.random.default_rng(0)
    rows = rng.normal(size=(5000, 3)) * [1.0, 10.0, 0.0] + [0.0, 5.0, 2.0]
    truth = rows @ [1.5, -0.2, 0.0] + 0.5
    targets = (rng.random(5000) < 1 / (1 + numpy.exp(-truth))).astype("f8")

    def loss(weights: Any, bias: float) -> float:
        scores = rows @ weights + bias
        penalty = 5.0 * ((weights * rows.std(0)) ** 2).sum()
        return float(numpy.logaddexp(0, scores).sum() - scores @ targets + penalty)

    weights, bias = fit_logistic(rows, targets)
    assert weights[:2] == pytest.approx([1.5, -0.2], rel=0.1)
    for change in (*numpy.eye(3) * 1e-3, *-numpy.eye(3) * 1e-3):
        assert loss(weights + change, bias) >= loss(weights, bias)
        assert loss(weights, bias + change.sum()) > loss(weights, bias)


def folds_of(goes_on: str, n_folds: int = 3) -> list[list[FoldDocument]]:
    """Documents whose entities are "ab", or "abc" before `goes_on`; the model cannot tell."""
    folds = []
    for _ in range(n_folds):
        fold = []
        for text in ("xabcdx", "xabcex") * 10:
            end = 4 if text[4] == goes_on else 3
            candidates = [candidate(1, 3, 0.48), candidate(1, 4, 0.48)]
            fold.append(FoldDocument(hashes(text), [(1, end)], candidates))
        folds.append(fold)
    return folds


@pytest.mark.parametrize("goes_on", "de")
def test_the_words_decide_what_the_model_cannot(goes_on: str) -> None:
    reranking = fit(folds_of(goes_on), [])
    for fold in folds_of(goes_on, 1):
        for doc in fold:
            chosen = choose(reranking.rescore(doc.words, doc.candidates), 0.4)
            assert [one[:2] for one in chosen] == list(doc.gold)


def test_a_document_does_not_tell_of_itself() -> None:
    """Each fold has words of its own, of which the counts of the others say nothing."""
    candidates = [candidate(0, 1, 0.5), candidate(0, 2, 0.5)]
    folds = [
        [
            FoldDocument(hashes(text), [(0, length)], candidates)
            for text, length in ((one, 1), (other, 2))
            for _ in range(5)
        ]
        for one, other in (("abc", "def"), ("ghi", "jkl"), ("mno", "pqr"))
    ]
    assert max(map(abs, list(fit(folds, []).weights.values())[:-1])) < 1e-6
    told = fit(folds, [(doc.words, doc.gold) for fold in folds for doc in fold])
    assert told.weights["longer_after_words"] > 0.1 or told.weights["last"] > 0.1
    with pytest.raises(CardionerError, match="right and some that are wrong"):
        fit([[FoldDocument(hashes("ab"), [], [])]] * 2, [])


@pytest.fixture(scope="module")
def nlp() -> Language:
    return make(1, passes=100)


def reranking(first: str) -> Reranking:
    """Prefers candidates that begin with this word."""
    weights = {name: 0.0 for name in FEATURES} | {"bias": 0.0, "first": 1.0}
    doc = Doc(blank("es").vocab, words=WORDS)
    place = WORDS.index(first)
    annotated = (doc.to_array("LOWER"), [(place, place + 1)])
    return Reranking(BoundaryCounts.from_documents([annotated] * 20), weights)


def entities(doc: Doc) -> list[tuple[str, str]]:
    return [(span.text, span.label_) for span in doc.spans[SPANS_KEY]]


def with_reranker(nlp: Language, folder: Path, first: str = "cardíaca") -> Language:
    nlp.to_disk(folder)
    again = spacy.load(folder)
    add_reranker(again).rerankings[LABEL] = reranking(first)
    return again


def test_a_pipeline_with_a_reranker_is_saved(nlp: Language, tmp_path: Path) -> None:
    text = " ".join(WORDS)
    before = entities(nlp(text))
    assert ("insuficiencia cardíaca", LABEL) in before
    changed = with_reranker(nlp, tmp_path / "plain")
    changed.get_pipe("ner").alternatives = 1e-6  # type: ignore[attr-defined]
    changed.get_pipe_config("ner")["alternatives"] = 1e-6
    doc = changed(text)
    # What begins with the word that it prefers is chosen; other labels stay as they are.
    of_label = [text for text, label in entities(doc) if label == LABEL]
    assert any(text.startswith("cardíaca") for text in of_label)
    assert "insuficiencia cardíaca" not in of_label
    drugs = [one for one in before if one[1] != LABEL]
    assert [one for one in entities(doc) if one[1] != LABEL] == drugs
    assert list(doc.spans) == list(nlp(text).spans)
    scores = doc.spans[SPANS_KEY].attrs["scores"]
    assert len(scores) == len(doc.spans[SPANS_KEY])
    for ent in doc.ents:
        assert (ent.text, ent.label_) in entities(doc)
        assert ent._.score in scores
    changed.to_disk(tmp_path / "saved")
    for again in (spacy.load(tmp_path / "saved"), spacy.load(tmp_path / "saved")):
        assert entities(again(text)) == entities(doc)
        assert again.get_pipe("reranker").labels == (LABEL,)  # type: ignore[attr-defined]
    pipe: Any = changed.get_pipe("reranker")
    loaded = SpanReranker(changed).from_bytes(pipe.to_bytes())
    assert loaded.to_bytes() == pipe.to_bytes()
    assert not entities(changed(""))


def test_alternatives_are_needed(nlp: Language, tmp_path: Path) -> None:
    changed = with_reranker(nlp, tmp_path)
    changed.get_pipe("ner").alternatives = None  # type: ignore[attr-defined]
    with pytest.raises(CardionerError, match="needs the setting alternatives"):
        changed("Disnea.")
    with pytest.raises(CardionerError, match="has a cardioner_reranker already"):
        add_reranker(changed)
    with pytest.raises(CardionerError, match="no cardioner_ner named 'ner'"):
        add_reranker(spacy.blank("es"))


def corpus(path: Path, names: list[str], *, layers: list[str] | None = None) -> Path:
    docs = []
    for name in names:
        doc = Doc(blank("es").vocab, words=WORDS)
        found = [Span(doc, 3, 5, LABEL), Span(doc, 7, 8, LABEL)]
        attrs = {"layers": layers} if layers is not None else {}
        doc.spans[SPANS_KEY] = SpanGroup(doc, name=SPANS_KEY, spans=found, attrs=attrs)
        doc.user_data[NOTE_ID] = name
        docs.append(doc)
    write_docbin(path, docs)
    return path


def test_documents_without_the_layer_say_nothing(tmp_path: Path) -> None:
    known = corpus(tmp_path / "known.spacy", ["a", "b"], layers=[LABEL])
    unknown = corpus(tmp_path / "unknown.spacy", ["c"], layers=["FARMACO"])
    [first, second] = read_annotated([known, unknown], LABEL)
    assert first[1] == second[1] == [(3, 5), (7, 8)]
    words = Doc(blank("es").vocab, words=[word.upper() for word in WORDS]).to_array("LOWER")
    assert first[0].tolist() == words.tolist()


def test_the_command_learns_from_a_cross_validation(nlp: Language, tmp_path: Path) -> None:
    names = [f"note{number}" for number in range(6)]
    path = corpus(tmp_path / "corpus/cardioccc/es.spacy", names)
    corpus(tmp_path / "corpus/temist/es.spacy", ["other"])
    docs = docs_by_name(path)
    run = tmp_path / "cv"
    for number in range(2):
        save_pipeline(nlp, run / f"fold-{number}/pipeline")
    srsly.write_json(run / "folds.json", [names[:3], names[3:]])
    candidates = find_candidates(run, docs, LABEL)
    assert [len(fold) for fold in candidates] == [3, 3]
    assert any(one[:2] == (3, 5) for one in candidates[0][0].candidates)
    with pytest.raises(CardionerError, match="no label SINTOMA, only ENFERMEDAD"):
        find_candidates(run, docs, "SINTOMA")

    arguments = ["rerank", str(run / "fold-0/pipeline"), str(run), "--threshold", "0.3"]
    arguments += ["--corpus", str(tmp_path / "corpus"), "--label", LABEL, "--label", "SINTOMA"]
    output = tmp_path / "new/reranked"
    done = CliRunner().invoke(app, [*arguments, "-o", str(output)], catch_exceptions=False)
    assert done.exit_code == 0
    assert done.output == f"reranked labels: {LABEL}\n"
    again = spacy.load(output)
    assert again.pipe_names[again.pipe_names.index("ner") + 1] == "reranker"
    assert again.get_pipe("reranker").threshold == pytest.approx(0.3)  # type: ignore[attr-defined]
    assert ("insuficiencia cardíaca", LABEL) in entities(again(" ".join(WORDS)))

    with pytest.raises(CardionerError, match="the corpus lacks 3 documents of fold 0"):
        find_candidates(run, {}, LABEL)
    with pytest.raises(CardionerError, match="folds.json: not found; `cardioner crossval` writes"):
        find_candidates(tmp_path, docs, LABEL)


def test_a_pipeline_without_the_label_and_a_run_with_one_fold_stay_as_they_are(
    nlp: Language, tmp_path: Path
) -> None:
    srsly.write_json(tmp_path / "folds.json", [["a"], ["b"]])
    assert rerank(nlp, tmp_path, tmp_path, ["SINTOMA"]) == []
    srsly.write_json(tmp_path / "folds.json", [["a", "b"]])
    assert rerank(nlp, tmp_path, tmp_path, [LABEL]) == []
    assert "reranker" not in nlp.pipe_names
