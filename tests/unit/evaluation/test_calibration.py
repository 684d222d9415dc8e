from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_cardioner.cli import main
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.evaluation.calibration import calibrate, calibrations, read_scored
from spacy_cardioner.spans import Entity

GOLD = (
    "filename\tlabel\tstart_span\tend_span\ttext\n"
    "n1\tENFERMEDAD\t0\t7\tInfarto\nn1\tFARMACO\t14\t24\tbisoprolol\n"
)
NOTE = {
    "id": "n1",
    "entities": [
        {"start": 0, "end": 7, "label": "ENFERMEDAD", "text": "Infarto", "score": 0.9},
        {"start": 9, "end": 24, "label": "FARMACO", "text": "Toma bisoprolol", "score": 0.7},
        {"start": 14, "end": 24, "label": "FARMACO", "text": "bisoprolol", "score": 0.5},
    ],
}


def test_a_case_computed_by_hand() -> None:
    # A score on a border belongs to the bin above it, but 1.0 to the last.
    scored = [(0.05, False), (0.5, True), (0.55, False), (0.6, True), (0.95, True), (1.0, True)]
    made = calibrate(scored)
    bins = [(b.low, b.high, b.entities, b.score, b.right) for b in made.bins]
    assert bins == [
        (0.0, 0.1, 1, 0.05, 0.0),
        (0.5, 0.6, 2, pytest.approx(0.525), 0.5),
        (0.6, 0.7, 1, 0.6, 1.0),
        (0.9, 1.0, 2, 0.975, 1.0),
    ]
    # (1 * 0.05 + 2 * 0.025 + 1 * 0.4 + 2 * 0.025) / 6
    assert made.error == pytest.approx(0.55 / 6)
    assert made.entities == 6


def test_nothing_scored_is_no_error() -> None:
    assert calibrate([]).error == 0.0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_every_entity_is_in_one_bin(scored: list[tuple[float, bool]]) -> None:
    made = calibrate(scored)
    assert sum(one.entities for one in made.bins) == len(scored)
    assert 0.0 <= made.error <= 1.0
    right = sum(one.right * one.entities for one in made.bins)
    assert right == pytest.approx(sum(right for _, right in scored))


def test_by_label_and_together() -> None:
    gold = {"n1": [Entity(0, 7, "ENFERMEDAD", "Infarto")], "n2": []}
    scored = {
        "n1": [Entity(0, 7, "ENFERMEDAD", "Infarto", 0.9), Entity(0, 7, "FARMACO", "", 0.8)],
        "n2": [Entity(0, 7, "ENFERMEDAD", "Infarto", 0.7)],
        "not in the gold": [Entity(0, 1, "ENFERMEDAD", "a", 0.1)],
    }
    made = calibrations(gold, scored)
    assert {label: one.entities for label, one in made.items()} == {
        "ENFERMEDAD": 2,
        "FARMACO": 1,
        "all": 3,
    }
    assert made["FARMACO"].error == pytest.approx(0.8)
    assert made["ENFERMEDAD"].error == pytest.approx((0.1 + 0.7) / 2)
    assert list(calibrations(gold, scored, ["FARMACO"])) == ["FARMACO"]


def evaluated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, row: object) -> int:
    monkeypatch.chdir(tmp_path)
    Path("gold.tsv").write_text(GOLD, encoding="utf-8")
    Path("pred.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    arguments = ["evaluate", "--gold", "gold.tsv", "--pred", "gold.tsv"]
    arguments += ["--calibration", "pred.jsonl", "-o", "out.json"]
    monkeypatch.setattr("sys.argv", ["cardioner", *arguments])
    with pytest.raises(SystemExit) as status:
        main()
        raise SystemExit(0)
    return int(status.value.code or 0)


def test_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluated(monkeypatch, tmp_path, NOTE) == 0
    out = capsys.readouterr().out
    assert "FARMACO: expected calibration error 0.6000, 2 entities" in out
    assert "all: expected calibration error 0.4333, 3 entities" in out
    figures = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert figures["calibration"]["ENFERMEDAD"]["error"] == pytest.approx(0.1)
    assert [made["name"] for made in figures["manifest"]["inputs"]][-1] == "pred.jsonl"


def test_predictions_without_scores_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entity = {"start": 0, "end": 7, "label": "ENFERMEDAD", "text": "Infarto"}
    assert evaluated(monkeypatch, tmp_path, {"id": "n1", "entities": [entity]}) == 1
    assert "pred.jsonl:1: not a note with scored entities" in capsys.readouterr().err


@pytest.mark.parametrize("score", [-0.1, 1.2, float("nan"), None])
def test_a_score_must_be_a_probability(score: float | None) -> None:
    with pytest.raises(CardionerError, match="no probability"):
        calibrate([(score, True)])


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(CardionerError, match="cannot be read"):
        read_scored(tmp_path / "none.jsonl")
