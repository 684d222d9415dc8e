from __future__ import annotations

import json
from pathlib import Path

import pytest

from spacy_cardioner.brat import entities, read_folder, write_tsv
from spacy_cardioner.cli import main
from tests.conftest import ROOT

HEADER = "filename\tlabel\tstart_span\tend_span\ttext\n"
GOLD = HEADER + "n1\tENFERMEDAD\t0\t7\tInfarto\nn1\tFARMACO\t14\t24\tbisoprolol\n"
PRED = HEADER + "n1\tENFERMEDAD\t0\t7\tInfarto\nn2\tFARMACO\t0\t4\tToma\n"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("gold.tsv").write_text(GOLD, encoding="utf-8")
    Path("pred.tsv").write_text(PRED, encoding="utf-8")
    Path("gold").mkdir()
    Path("gold/n1.txt").write_text("Infarto. Toma bisoprolol.", encoding="utf-8")
    Path("gold/n1.ann").write_text(
        "T1\tENFERMEDAD 0 7\tInfarto\nT2\tFARMACO 14 24\tbisoprolol\n", encoding="utf-8"
    )
    return tmp_path


def cardioner(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line as the console script does; the exit status."""
    monkeypatch.setattr("sys.argv", ["cardioner", *arguments])
    with pytest.raises(SystemExit) as status:
        main()
        raise SystemExit(0)
    return int(status.value.code or 0)


def test_shows_a_table_and_writes_json(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--gold", "gold.tsv", "--pred", "pred.tsv", "-o", "new/metrics.json"]
    assert cardioner(monkeypatch, "evaluate", *arguments) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("strict", "overlapping", "official", "micro", "0.5000"))
    assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith("note"))
    metrics = json.loads(Path("new/metrics.json").read_text(encoding="utf-8"))
    assert metrics["strict"]["micro"]["f1"] == 0.5
    assert metrics["official"]["micro"]["f1"] == 0.6667
    assert metrics["strict"]["labels"]["ENFERMEDAD"]["counts"] == {
        "gold": 1,
        "predicted": 1,
        "right": 1,
    }
    assert metrics["comparison"] is None
    assert [made["name"] for made in metrics["manifest"]["inputs"]] == ["gold.tsv", "pred.tsv"]


def test_the_same_twice_is_the_same(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.json", "b.json"):
        arguments = ["--gold", "gold.tsv", "--pred", "pred.tsv", "-o", name, "--seed", "5"]
        assert cardioner(monkeypatch, "evaluate", *arguments) == 0
    assert Path("a.json").read_bytes() == Path("b.json").read_bytes()


def test_compares_with_other_predictions(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--gold", "gold.tsv", "--pred", "gold", "--compare", "pred.tsv", "-o", "m.json"]
    assert cardioner(monkeypatch, "evaluate", *arguments) == 0
    assert "difference +0.5000" in capsys.readouterr().out
    assert json.loads(Path("m.json").read_text(encoding="utf-8"))["comparison"]["second"] == 0.5


def test_scores_one_label_alone(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--gold", "gold.tsv", "--pred", "pred.tsv", "--only", "ENFERMEDAD"]
    assert cardioner(monkeypatch, "evaluate", *arguments) == 0
    out = capsys.readouterr().out
    assert "FARMACO" not in out and "1.0000" in out


def test_renames_labels(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other.tsv").write_text(GOLD.replace("FARMACO", "Drug"), encoding="utf-8")
    arguments = ["--gold", "gold", "--pred", "other.tsv", "--only", "FARMACO"]
    assert cardioner(monkeypatch, "evaluate", *arguments) == 0
    assert "1.0000" not in capsys.readouterr().out
    assert cardioner(monkeypatch, "evaluate", *arguments, "--label", "Drug=FARMACO") == 0
    assert "1.0000" in capsys.readouterr().out
    assert cardioner(monkeypatch, "evaluate", *arguments, "--label", "Drugs=FARMACO") == 1
    assert "label Drugs; there are Drug, ENFERMEDAD, FARMACO" in capsys.readouterr().err
    assert cardioner(monkeypatch, "evaluate", *arguments, "--label", "Drug") == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--gold", "missing", "--pred", "pred.tsv"], "missing"),
        (["--gold", "gold.tsv", "--pred", "missing.tsv"], "missing.tsv"),
        (["--gold", "gold", "--pred", "pred.tsv"], "for 1 document that"),
        (["--gold", "gold.tsv", "--pred", "bad.tsv"], "bad.tsv:2"),
        (["--gold", "gold.tsv", "--pred", "pred.tsv", "--only", "DISEASE"], "ENFERMEDAD, FARMACO"),
        (["--gold", "gold.tsv", "--pred", "pred.tsv", "-o", "gold.tsv/m.json"], "gold.tsv"),
    ],
)
def test_input_at_fault_is_status_1_and_a_message(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    named: str,
) -> None:
    Path("bad.tsv").write_text(HEADER + "n1\tFARMACO\tzero\t24\tbisoprolol\n", encoding="utf-8")
    assert cardioner(monkeypatch, "evaluate", *arguments) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and named in err
    assert "Traceback" not in err and "bisoprolol" not in err


def test_lenient_leaves_out_what_is_at_fault_and_says_so(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.tsv").write_text(PRED + "n1\tFARMACO\tzero\t24\tbisoprolol\n", encoding="utf-8")
    arguments = ["--gold", "gold", "--pred", "bad.tsv", "--lenient"]
    assert cardioner(monkeypatch, "evaluate", *arguments) == 0
    out = capsys.readouterr().out
    assert "malformed 1" in out and "1 document." in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--gold", "gold.tsv"],
        ["--gold", "gold.tsv", "--pred", "pred.tsv", "--resamples", "0"],
        ["--gold", "gold.tsv", "--pred", "pred.tsv", "--seed", "x"],
        ["--gold", "gold.tsv", "--pred", "pred.tsv", "-o", "gold"],
    ],
)
def test_wrong_usage_is_status_2(
    files: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    assert cardioner(monkeypatch, "evaluate", *arguments) == 2


DRUGS = ("FARMACO_es", "FARMACO_en", "FARMACO_it")
SAMPLE = ROOT / "assets" / "sample"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Predictions for eight documents: in Spanish all drugs, in the other languages none."""
    drugs, diseases = (
        {note.name: entities(note) for note in read_folder(SAMPLE / track / "brat")}
        for track in ("track2/cardioccc_dev/es", "track1/cardioccc_dev")
    )
    names = sorted(drugs)[:8]
    folder = tmp_path / "run"
    write_tsv(folder / "es.tsv", {name: drugs[name] + diseases[name][:1] for name in names})
    for lang in ("en", "it"):
        write_tsv(folder / f"{lang}.tsv", {})
    (folder / "documents.txt").write_text("".join(f"{name}\n" for name in names))
    return folder


def test_a_run_is_scored_against_the_gold_of_the_corpus(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "--corpus", str(SAMPLE), "--lang", "xx", "--pred", str(run)]
    assert cardioner(monkeypatch, *arguments, "-o", str(tmp_path / "metrics")) == 0
    rows = [line.split()[:5] for line in capsys.readouterr().out.splitlines()]
    assert ["FARMACO", "es", "1.0000", "1.0000", "1.0000"] in rows
    assert ["FARMACO", "it", "0.0000", "0.0000", "0.0000"] in rows
    written = {path.name for path in (tmp_path / "metrics").iterdir()}
    assert written == {f"{unit}.json" for unit in ("ENFERMEDAD_es", *DRUGS)}

    gold = SAMPLE / "track1/cardioccc_dev/brat"
    arguments = ["evaluate", "--gold", str(gold), "--pred", str(run / "es.tsv")]
    arguments += ["--documents", str(run / "documents.txt"), "--only", "ENFERMEDAD"]
    assert cardioner(monkeypatch, *arguments, "-o", str(tmp_path / "one.json")) == 0
    one, same = (
        json.loads((tmp_path / name).read_text(encoding="utf-8"))
        for name in ("one.json", "metrics/ENFERMEDAD_es.json")
    )
    # The same inputs, listed in another order.
    for result in (one, same):
        result["manifest"]["inputs"].sort(key=lambda made: made["name"])
    assert one == same
    assert one["documents"] == 8


def test_a_corpus_needs_a_language_and_no_gold(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = ["evaluate", "--corpus", str(SAMPLE), "--pred", str(run)]
    assert cardioner(monkeypatch, *corpus) == 2
    assert cardioner(monkeypatch, *corpus, "--lang", "es", "--gold", str(SAMPLE)) == 2
    assert cardioner(monkeypatch, *corpus, "--lang", "fr") == 1
    (run / "documents.txt").unlink()
    assert cardioner(monkeypatch, *corpus, "--lang", "es") == 1
    assert "documents.txt" in capsys.readouterr().err
