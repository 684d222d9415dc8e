from __future__ import annotations

import os
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_cardioner.brat import write_tsv
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.evaluation.evaluate import Evaluation, evaluate
from spacy_cardioner.evaluation.matching import count_overlapping
from spacy_cardioner.evaluation.report import render
from spacy_cardioner.evaluation.scores import Counts, Measure, Scores, compare, score
from spacy_cardioner.evaluation.sources import align, read_annotations, remarks
from spacy_cardioner.spans import Entity

CORPUS = os.environ.get("MULTICARDIONER_DIR")


def entity(start: int, end: int, label: str = "A", text: str | None = None) -> Entity:
    return Entity(start, end, label, f"{start}-{end}" if text is None else text)


def brute_force_pairs(gold: list[Entity], pred: list[Entity]) -> int:
    """Maximum matching by augmenting paths: slow, and certain."""
    taken: dict[int, int] = {}

    def augment(g: int, seen: set[int]) -> bool:
        for p, other in enumerate(pred):
            if p in seen or other.start >= gold[g].end or gold[g].start >= other.end:
                continue
            seen.add(p)
            if p not in taken or augment(taken[p], seen):
                taken[p] = g
                return True
        return False

    return sum(augment(g, set()) for g in range(len(gold)))


def official(
    gold: dict[str, list[Entity]], pred: dict[str, list[Entity]]
) -> tuple[float, float, float]:
    """The rules of the official scorer in plain arithmetic."""
    right = predicted = wanted = 0
    for name, entities in gold.items():
        if not entities:
            continue
        first: dict[tuple[int, int, str], Entity] = {}
        for one in pred.get(name, []):
            first.setdefault((one.start, one.end, one.label), one)
        left = list(first.values())
        for one in entities:  # also those that are repeated
            if one in left:
                left.remove(one)
                right += 1
        predicted += len(first)
        wanted += len(entities)
    precision = right / predicted if predicted else 0.0
    recall = right / wanted if wanted else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision and recall else 0.0
    return round(precision, 4), round(recall, 4), round(f1, 4)


entities = st.builds(
    lambda start, length, label: entity(start, start + length, label),
    st.integers(0, 25),
    st.integers(1, 8),
    st.sampled_from("AB"),
)
entity_lists = st.lists(entities, max_size=8)
corpora = st.dictionaries(
    st.sampled_from(["d1", "d2", "d3", "d4", "d5", "d6"]),
    st.tuples(entity_lists, entity_lists),
    min_size=1,
).map(lambda d: ({k: g for k, (g, _) in d.items()}, {k: p for k, (_, p) in d.items()}))


# One document of each kind: right, half right, without gold, without predictions.
GOLD = {
    "one": [entity(0, 5), entity(10, 20, "B")],
    "two": [entity(0, 5), entity(7, 9)],
    "no-gold": [],
    "no-pred": [entity(3, 8, "B")],
}
PRED = {
    "one": [entity(0, 5), entity(10, 20, "B")],
    "two": [entity(1, 6), entity(30, 40, "B")],
    "no-gold": [entity(0, 2)],
}


def test_figures_are_those_computed_by_hand() -> None:
    report = score(GOLD, PRED)
    a, b = report.strict.labels["A"], report.strict.labels["B"]
    assert a.counts == Counts(gold=3, predicted=3, right=1)
    assert (a.precision, a.recall, a.f1) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert b.counts == Counts(gold=2, predicted=2, right=1)
    assert report.strict.micro.counts == Counts(gold=5, predicted=5, right=2)
    assert report.strict.micro.f1 == pytest.approx(2 / 5)
    assert report.strict.macro.f1 == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert report.strict.macro.counts is None
    assert report.overlapping.micro.counts == Counts(gold=5, predicted=5, right=3)
    assert (report.documents, report.documents_with_gold) == (4, 3)


def test_official_figures_leave_out_documents_without_gold() -> None:
    official_figures = score(GOLD, PRED).official
    assert official_figures.micro.counts == Counts(gold=5, predicted=4, right=2)
    assert (official_figures.micro.precision, official_figures.micro.recall) == (0.5, 0.4)
    assert official_figures.micro.f1 == 0.4444
    # For label B alone, document "two" is one without gold: as in a task that has B only.
    assert official_figures.labels["B"].counts == Counts(gold=2, predicted=1, right=1)
    assert official_figures.labels["B"].f1 == 0.6667


def test_the_text_must_agree_and_the_first_of_equal_predictions_counts() -> None:
    gold = {"d": [entity(0, 5, text="aorta")]}
    right, wrong = entity(0, 5, text="aorta"), entity(0, 5, text="vena")
    assert score(gold, {"d": [right, wrong, right]}).strict.micro.counts == Counts(1, 1, 1)
    assert score(gold, {"d": [wrong, right]}).strict.micro.counts == Counts(1, 1, 0)


def test_scores_and_codes_of_predictions_do_not_count() -> None:
    gold = {"d": [entity(0, 5)]}
    pred = {"d": [entity(0, 5)._replace(score=0.9, kb_id="B01AC06", source="ruler")]}
    assert score(gold, pred).strict.micro.counts == Counts(1, 1, 1)


def test_labels_choose_what_is_scored() -> None:
    report = score(GOLD, PRED, labels=["B"])
    assert list(report.strict.labels) == ["B"]
    assert report.strict.micro == report.strict.labels["B"]
    assert report.strict.micro == replace(report.strict.macro, counts=Counts(2, 2, 1))
    assert report.documents_with_gold == 2


@pytest.mark.parametrize("pred", [{}, {"one": [], "two": []}])
def test_no_predictions_score_nothing(pred: dict[str, list[Entity]]) -> None:
    report = score(GOLD, pred)
    assert report.strict.micro.counts == Counts(gold=5, predicted=0, right=0)
    assert (report.strict.micro.precision, report.strict.micro.f1) == (0, 0)
    assert report.official.micro.interval["f1"] == (0, 0)


def test_nothing_at_all_scores_nothing() -> None:
    report = score({"d": []}, {})
    assert report.strict.labels == {}
    assert (report.strict.micro.f1, report.strict.macro.f1) == (0, 0)
    assert "micro" in render(Evaluation(report, None, []))


def test_a_label_that_nothing_has_is_no_part_of_the_mean() -> None:
    report = score(GOLD, PRED, labels=["A", "Z"])
    assert report.strict.labels["Z"].f1 == 0
    assert report.strict.macro.f1 == report.strict.labels["A"].f1


def test_documents_that_the_gold_does_not_have_are_an_error() -> None:
    with pytest.raises(CardionerError, match="1 document"):
        score(GOLD, {"other": []})
    with pytest.raises(CardionerError, match="no document"):
        score({}, {})


@pytest.mark.parametrize(
    ("gold", "pred", "pairs"),
    [
        ([(0, 10)], [(1, 2), (5, 6)], 1),
        ([(0, 3), (0, 10)], [(1, 2), (5, 6)], 2),
        ([(0, 10), (9, 12)], [(8, 10), (0, 2)], 2),
        ([(0, 5)], [(5, 9)], 0),
        ([(0, 5), (5, 10)], [(4, 6)], 1),
        ([(0, 5), (0, 5)], [(0, 5)], 1),
    ],
)
def test_each_gold_entity_accounts_for_one_prediction(
    gold: list[tuple[int, int]], pred: list[tuple[int, int]], pairs: int
) -> None:
    assert count_overlapping([entity(*g) for g in gold], [entity(*p) for p in pred]) == pairs


@settings(max_examples=300)
@given(entity_lists, entity_lists)
def test_overlapping_pairs_are_as_many_as_possible(gold: list[Entity], pred: list[Entity]) -> None:
    assert count_overlapping(gold, pred) == brute_force_pairs(gold, pred)


def test_matching_takes_no_quadratic_time() -> None:
    nested = [entity(i, 100_000 - i) for i in range(20_000)]
    started = time.process_time()
    assert count_overlapping(nested, nested) == 20_000
    assert time.process_time() - started < 2


def units(measure: Measure) -> dict[str, Scores]:
    return {**measure.labels, "micro": measure.micro, "macro": measure.macro}


@settings(deadline=None, max_examples=50)
@given(corpora)
def test_figures_are_sane(corpus: tuple[dict[str, list[Entity]], dict[str, list[Entity]]]) -> None:
    gold, pred = corpus
    report = score(gold, pred, resamples=200)
    for measure in (report.strict, report.overlapping, report.official):
        for unit in [*measure.labels.values(), measure.micro]:
            for name in ("precision", "recall", "f1"):
                low, high = unit.interval[name]
                assert 0 <= low <= high <= 1
                assert low - 1e-9 <= getattr(unit, name) <= high + 1e-9
    for name, strict in units(report.strict).items():
        overlapping = units(report.overlapping)[name]
        assert strict.f1 <= overlapping.f1
    micro = report.official.micro
    assert (micro.precision, micro.recall, micro.f1) == official(gold, pred)
    for label in report.official.labels:
        alone = [{k: [e for e in v if e.label == label] for k, v in c.items()} for c in corpus]
        unit = report.official.labels[label]
        assert (unit.precision, unit.recall, unit.f1) == official(*alone)


@settings(deadline=None, max_examples=50)
@given(corpora)
def test_perfect_predictions_are_perfect(
    corpus: tuple[dict[str, list[Entity]], dict[str, list[Entity]]],
) -> None:
    # Of repeated predictions, one counts.
    gold = {name: list(dict.fromkeys(found)) for name, found in corpus[0].items()}
    report = score(gold, gold, resamples=50)
    for measure in (report.strict, report.overlapping, report.official):
        for label, unit in units(measure).items():
            if any(gold.values()):
                figures = (unit.precision, unit.recall, unit.f1)
                assert figures == (1, 1, 1), label
                assert unit.interval["f1"] == (1, 1)


@settings(deadline=None, max_examples=50)
@given(corpora, st.randoms(use_true_random=False))
def test_order_changes_nothing(
    corpus: tuple[dict[str, list[Entity]], dict[str, list[Entity]]], shuffler: random.Random
) -> None:
    gold, pred = corpus

    def shuffled(notes: dict[str, list[Entity]]) -> dict[str, list[Entity]]:
        names = shuffler.sample(sorted(notes), len(notes))
        return {name: shuffler.sample(notes[name], len(notes[name])) for name in names}

    before = score(gold, pred, resamples=20)
    assert score(shuffled(gold), shuffled(pred), resamples=20) == before


def many(share_right: float, seed: int) -> dict[str, list[Entity]]:
    draw = random.Random(seed)
    return {
        f"d{i}": [entity(j, j + 1 + (draw.random() > share_right)) for j in range(0, 40, 4)]
        for i in range(50)
    }


def test_intervals_narrow_with_documents_and_depend_on_the_seed_alone() -> None:
    gold, pred = many(1, 0), many(0.8, 1)
    some = sorted(gold)[:10]
    low, high = score(gold, pred).strict.micro.interval["f1"]
    few = score({n: gold[n] for n in some}, {n: pred[n] for n in some})
    assert 0.7 < low < score(gold, pred).strict.micro.f1 < high < 0.9
    assert few.strict.micro.interval["f1"][1] - few.strict.micro.interval["f1"][0] > high - low
    assert score(gold, pred, seed=1) == score(gold, pred, seed=1)
    assert score(gold, pred, seed=2).strict.micro.interval["f1"] != (low, high)


def test_the_interval_is_that_of_the_exact_bootstrap_distribution() -> None:
    """Two documents, one all right, one all wrong: F1 is 0, 1/2 or 1, a quarter, half, quarter."""
    gold = {"right": [entity(0, 1)], "wrong": [entity(0, 1)]}
    pred = {"right": [entity(0, 1)], "wrong": [entity(0, 2)]}
    assert score(gold, pred).strict.micro.interval["f1"] == (0, 1)


def test_comparison_is_paired() -> None:
    gold, worse, better = many(1, 0), many(0.7, 1), many(0.9, 2)
    comparison = compare(gold, better, worse)
    assert comparison.first == score(gold, better).strict.micro.f1
    assert comparison.difference == pytest.approx(comparison.first - comparison.second)
    low, high = comparison.interval
    assert 0 < low < comparison.difference < high
    back = compare(gold, worse, better)
    assert back.interval == pytest.approx((-high, -low))
    same = compare(gold, worse, worse)
    assert (same.difference, same.interval) == (0, (0, 0))


def write_brat(folder: Path, notes: dict[str, tuple[str, str | None]]) -> Path:
    folder.mkdir()
    for name, (text, ann) in notes.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
        if ann is not None:
            (folder / f"{name}.ann").write_text(ann, encoding="utf-8")
    return folder


@pytest.fixture
def gold_folder(tmp_path: Path) -> Path:
    notes = {
        "n1": ("Infarto agudo\nde miocardio.", "T1\tA 0 13;14 26\tInfarto agudo de miocardio\n"),
        "n2": ("Sin hallazgos.", ""),
        "n3": ("Toma bisoprolol.", None),
    }
    return write_brat(tmp_path / "gold", notes)


def test_a_mention_over_a_line_end_agrees_with_its_row_in_a_tsv(
    gold_folder: Path, tmp_path: Path
) -> None:
    tsv = tmp_path / "pred.tsv"
    write_tsv(tsv, {"n1": [Entity(0, 26, "A", "Infarto agudo\nde miocardio")]})
    result = evaluate(gold_folder, tsv)
    assert result.report.strict.micro.counts == Counts(1, 1, 1)
    assert (result.report.documents, result.report.documents_with_gold) == (3, 1)
    assert "without .ann 1" in " ".join(result.remarks)
    assert evaluate(tsv, gold_folder).report.strict.micro.f1 == 1


def test_a_tsv_as_gold_says_what_it_cannot_know(gold_folder: Path, tmp_path: Path) -> None:
    gold, pred = tmp_path / "gold.tsv", tmp_path / "pred.tsv"
    write_tsv(gold, {"n1": [entity(0, 26, text="x")]})
    write_tsv(pred, {"n1": [entity(0, 26, text="x")], "n3": [entity(5, 15)]})
    result = evaluate(gold, pred)
    assert result.report.documents == 2
    assert result.report.strict.micro.precision == 0.5
    assert result.report.official.micro.precision == 1
    said = " ".join(result.remarks)
    assert "does not list" in said and "1 document." in said


def test_folders_must_have_the_predicted_documents(gold_folder: Path, tmp_path: Path) -> None:
    pred = tmp_path / "pred.tsv"
    write_tsv(pred, {"n1": [entity(0, 26)], "n9": [entity(0, 2)]})
    with pytest.raises(CardionerError, match="for 1 document that"):
        evaluate(gold_folder, pred)
    result = evaluate(gold_folder, pred, lenient=True)
    assert result.report.strict.micro.counts == Counts(1, 1, 0)
    assert "1 document." in " ".join(result.remarks)


def test_missing_documents_and_other_texts_are_named(gold_folder: Path, tmp_path: Path) -> None:
    pred = write_brat(tmp_path / "pred", {"n1": ("Another text", "T1\tB 0 7\tAnother\n")})
    gold_source, pred_source = read_annotations(gold_folder), read_annotations(pred)
    said = " ".join(remarks(gold_source, pred_source))
    assert "2 documents (n2, n3)" in said
    assert "differ" in said and "1 document (n1)" in said
    assert "labelled B" in said
    assert "Another" not in said
    assert "labelled" not in " ".join(remarks(gold_source, pred_source, ["A"]))
    wanted, [found] = align(gold_source, [pred_source])
    assert list(wanted) == list(found) == ["n1", "n2", "n3"]


def test_a_gold_entity_counts_as_often_as_it_occurs(tmp_path: Path) -> None:
    """As in the official scorer, which drops repeated lines of the predictions alone."""
    ann = "T1\tA 5 15\tbisoprolol\nT2\tA 5 15\tbisoprolol\nT3\tB 0 4\tToma\n"
    folder = write_brat(tmp_path / "brat", {"n": ("Toma bisoprolol.", ann)})
    rows = "n\tA\t5\t15\tbisoprolol\n" * 2 + "n\tB\t0\t4\tToma\n"
    tsv = tmp_path / "n.tsv"
    tsv.write_text("filename\tlabel\tstart_span\tend_span\ttext\n" + rows)
    for gold in (folder, tsv):
        for pred in (folder, tsv):
            result = evaluate(gold, pred)
            for measure in (
                result.report.strict,
                result.report.overlapping,
                result.report.official,
            ):
                assert measure.micro.counts == Counts(gold=3, predicted=2, right=2)
            said = render(result)
            assert f"counts as often as it occurs ({gold}: 1 repeated)" in said
            assert f"Reading {pred}: duplicate 1." in said
    once = write_brat(tmp_path / "once", {"n": ("Toma bisoprolol.", "T1\tA 5 15\tbisoprolol\n")})
    assert "occurs" not in render(evaluate(once, once))
    assert f"({once}: 0 repeated), a prediction once" in render(evaluate(once, tsv, lenient=True))


def test_the_first_of_repeated_predictions_counts(tmp_path: Path) -> None:
    write_tsv(tmp_path / "gold.tsv", {"n": [entity(0, 5, text="aorta")]})
    for texts, right in ((("aorta", "vena"), 1), (("vena", "aorta"), 0)):
        write_tsv(tmp_path / "pred.tsv", {"n": [entity(0, 5, text=text) for text in texts]})
        result = evaluate(tmp_path / "gold.tsv", tmp_path / "pred.tsv")
        assert result.report.strict.micro.counts == Counts(1, 1, right)


def test_labels_are_renamed_on_both_sides(gold_folder: Path, tmp_path: Path) -> None:
    pred = tmp_path / "pred.tsv"
    write_tsv(pred, {"n1": [Entity(0, 26, "Disease", "Infarto agudo\nde miocardio")]})
    assert evaluate(gold_folder, pred).report.strict.micro.f1 == 0
    for rename in ({"Disease": "A"}, {"A": "Disease"}, {"A": "X", "Disease": "X"}):
        result = evaluate(gold_folder, pred, rename=rename)
        assert result.report.strict.micro.f1 == 1
        assert set(result.report.strict.labels) == {*rename.values()}
    result = evaluate(gold_folder, pred, rename={"Disease": "A"}, labels=["A"])
    assert result.report.strict.micro.counts == Counts(1, 1, 1)
    with pytest.raises(CardionerError, match="has the label Drug; there are A, Disease"):
        evaluate(gold_folder, pred, rename={"Drug": "A"})
    with pytest.raises(CardionerError, match="--only: .* Disease; there are A"):
        evaluate(gold_folder, pred, rename={"Disease": "A"}, labels=["Disease"])


@pytest.mark.skipif(CORPUS is None, reason="MULTICARDIONER_DIR is not set")
def test_the_corpus_agrees_with_its_own_tables() -> None:
    folder = Path(CORPUS or "") / "track2" / "cardioccc_dev" / "es"
    [tsv] = (folder / "tsv").glob("*.tsv")
    result = evaluate(folder / "brat", tsv, resamples=10)
    assert result.report.strict.micro.counts == Counts(2509, 2509, 2509)
    assert result.report.documents - result.report.documents_with_gold == 22
    assert result.remarks == []
