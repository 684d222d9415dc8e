from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from spacy.cli import package

from spacy_cardioner.cli import main
from tests.conftest import ROOT

DATA = ROOT / "tests/data" / "gazetteer"


def cardioner(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run the command line as the console script does; the exit status."""
    monkeypatch.setattr("sys.argv", ["cardioner", "gazetteer", *map(str, arguments)])
    with pytest.raises(SystemExit) as status:
        main()
        raise SystemExit(0)
    return int(status.value.code or 0)


def test_build_writes_patterns_report_and_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "es.jsonl"
    text = tmp_path / "text.txt"
    text.write_text("Un pasto con il pasto.\n" * 5)
    sources = [DATA / "by_language.tsv", f"aifa={DATA / 'aifa_class_a.csv'}"]

    assert cardioner(monkeypatch, "build", *sources, "-o", out, "--text", text) == 0

    patterns = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert {"label": "FARMACO", "pattern": "bisoprolol", "id": "C07AB07"} in patterns
    assert "pasto" not in {pattern["pattern"] for pattern in patterns}
    manifest = json.loads((tmp_path / "new" / "es.manifest.json").read_text())
    assert [item["name"] for item in manifest["inputs"]] == [
        "by_language.tsv",
        "aifa_class_a.csv",
        "text.txt",
    ]
    assert manifest["output"] == {
        "name": "es.jsonl",
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
    }
    assert manifest["counts"]["kept"] == len(patterns)
    assert set(manifest["dates"]) == {"by_language.tsv", "aifa_class_a.csv", "text.txt"}
    report = json.loads((tmp_path / "new" / "es.report.json").read_text())
    assert report["common"] == {"what": "common words left out", "count": 1, "examples": ["pasto"]}
    assert "1  common words left out\n" in capsys.readouterr().out


def test_a_fault_leaves_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "es.jsonl"
    out.write_text("before")
    cut = tmp_path / "Prescripcion.xml"
    cut.write_bytes((DATA / "cima" / "Prescripcion.xml").read_bytes()[:-60])

    assert cardioner(monkeypatch, "build", DATA / "by_language.tsv", cut, "-o", out) == 1

    assert "Prescripcion.xml:6: not well-formed XML" in capsys.readouterr().err
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Prescripcion.xml", "es.jsonl"]


def test_no_name_left_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.tsv").write_text("name\tatc\tlang\nx\t\ten\n")
    arguments = ["build", tmp_path / "own.tsv", "-o", tmp_path / "o.jsonl"]

    assert cardioner(monkeypatch, *arguments, "--lang", "es") == 1
    assert cardioner(monkeypatch, *arguments, "--lang", "en") == 0


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    nlp = spacy.blank("es")
    for component in ("gazetteer", "cardioner_ruler", "cardioner_linker"):
        nlp.add_pipe(component).add_patterns([{"label": "FARMACO", "pattern": "bisoprolol"}])
    nlp.to_disk(tmp_path / "pipeline")
    return tmp_path / "pipeline"


def names(folder: Path | str) -> set[tuple[str, str, str]]:
    """Pattern, id and kind of what all components of a pipeline have."""
    nlp = spacy.load(folder)
    found = [
        {(p["pattern"], p.get("id", ""), p.get("kind", "")) for p in nlp.get_pipe(name).patterns}
        for name in nlp.pipe_names
    ]
    assert found[0] == found[1] == found[2]
    return found[0]


def test_add_reaches_a_saved_pipeline(
    pipeline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["add", "Inventol Nuevo", "--atc", "C07AB07", "--kind", "brand"]

    assert cardioner(monkeypatch, *arguments, "--pipeline", pipeline) == 0
    assert names(pipeline) == {("bisoprolol", "", ""), ("Inventol Nuevo", "C07AB07", "brand")}
    assert cardioner(monkeypatch, *arguments, "--pipeline", pipeline) == 0
    assert "gazetteer: 0 added, 1 there already" in capsys.readouterr().out
    nlp = spacy.load(pipeline)
    nlp.to_disk(pipeline / "again")
    assert names(pipeline / "again") == names(pipeline)
    doc = nlp("INVENTOL NUEVO")
    assert [span.id_ for span in doc.spans["gazetteer"]] == ["C07AB07"]
    assert [(ent.label_, ent.kb_id_) for ent in doc.ents] == [("FARMACO", "C07AB07")]


def test_add_takes_a_table(pipeline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = DATA / "own.tsv"

    assert cardioner(monkeypatch, "add", "--table", table, "--pipeline", pipeline) == 0

    assert names(pipeline) == {
        ("bisoprolol", "", ""),
        ("inventol forte", "C07AB07", "brand"),
        ("fármaco nuevo", "OWN:own:3", ""),
    }


def test_add_reaches_an_installed_package(
    pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(pipeline, tmp_path, name="inventada", version="1.0.0", create_sdist=False, silent=True)
    target = tmp_path / "site"
    folder = tmp_path / "es_inventada-1.0.0"
    install = ["-m", "pip", "install", "--no-deps", "--no-build-isolation", "-q", "-t", target]
    subprocess.run([sys.executable, *map(str, install), str(folder)], check=True)
    monkeypatch.syspath_prepend(str(target))

    assert cardioner(monkeypatch, "add", "inventol", "--model", "es_inventada") == 0

    assert names("es_inventada") == {("bisoprolol", "", ""), ("inventol", "", "")}


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["add", "x1", "--atc", "C7"], 1, "'C7' is not an ATC code"),
        (["add", "x1", "--kind", "marca"], 1, "'marca' is no kind"),
        (["add", "™"], 1, "is no name"),
        (["add"], 2, "give a name"),
        (["add", "x1", "--table", "t.tsv"], 2, "give a name"),
        (["add", "--table", "none.tsv"], 1, "none.tsv: cannot be read"),
    ],
)
def test_what_cannot_be_added(
    pipeline: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    before = (pipeline / "gazetteer" / "patterns.jsonl").read_bytes()

    assert cardioner(monkeypatch, *arguments, "--pipeline", pipeline) == status

    assert message in capsys.readouterr().err
    assert (pipeline / "gazetteer" / "patterns.jsonl").read_bytes() == before


def test_a_pipeline_that_has_no_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spacy.blank("es").to_disk(tmp_path / "blank")

    assert cardioner(monkeypatch, "add", "x", "--pipeline", tmp_path / "blank") == 1
    assert "has no component gazetteer" in capsys.readouterr().err
    assert cardioner(monkeypatch, "add", "x", "--pipeline", tmp_path) == 1
    assert "no config.cfg" in capsys.readouterr().err
    assert cardioner(monkeypatch, "add", "x", "--pipeline", "es_none") == 1
    assert "neither an installed pipeline nor a folder" in capsys.readouterr().err
