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
    assert report["common"] == {"what": "common words dropped", "count": 1, "examples": ["pasto"]}
    assert "1  common words dropped\n" in capsys.readouterr().out


def test_xx_is_all_languages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = DATA / "by_language.tsv"
    made = {}
    for lang in ("xx", "es", "en", "it"):
        assert cardioner(monkeypatch, "build", table, "--lang", lang, "-o", tmp_path / lang) == 0
        made[lang] = set((tmp_path / lang).read_text(encoding="utf-8").splitlines())

    assert made["xx"] == made["es"] | made["en"] | made["it"]
    assert made["xx"] > made["es"]


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
    for name in ("gazetteer", "ruler", "linker"):
        nlp.add_pipe(f"cardioner_{name}", name)
    nlp.get_pipe("gazetteer").add_patterns(  # type: ignore[attr-defined]
        [{"label": "FARMACO", "pattern": "bisoprolol"}]
    )
    nlp.to_disk(tmp_path / "pipeline")
    return tmp_path / "pipeline"


def names(folder: Path | str) -> set[tuple[str, str, str]]:
    """Pattern, id and kind of the names of a pipeline. Only those that were added are entities."""
    gazetteer = spacy.load(folder).get_pipe("gazetteer")
    for pattern in gazetteer.patterns:  # type: ignore[attr-defined]
        assert pattern.get("always", False) == (pattern["pattern"] != "bisoprolol")
    return {
        (pattern["pattern"], pattern.get("id", ""), pattern.get("kind", ""))
        for pattern in gazetteer.patterns  # type: ignore[attr-defined]
    }


def test_add_reaches_a_saved_pipeline(
    pipeline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["add", "Inventol Nuevo", "--atc", "C07AB07", "--kind", "brand"]

    assert cardioner(monkeypatch, *arguments, "--pipeline", pipeline) == 0
    assert names(pipeline) == {("bisoprolol", "", ""), ("Inventol Nuevo", "C07AB07", "brand")}
    assert cardioner(monkeypatch, *arguments, "--pipeline", pipeline) == 0
    assert capsys.readouterr().out == "1 added, 0 there already\n0 added, 1 there already\n"
    nlp = spacy.load(pipeline)
    nlp.to_disk(pipeline / "again")
    assert names(pipeline / "again") == names(pipeline)
    doc = nlp("INVENTOL NUEVO")
    assert [span.kb_id_ for span in doc.spans["gazetteer"]] == ["C07AB07"]
    assert [(ent.label_, ent.kb_id_) for ent in doc.ents] == [("FARMACO", "C07AB07")]


def test_a_name_that_is_there_becomes_an_entity(
    pipeline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [ent.text for ent in spacy.load(pipeline)("Toma bisoprolol").ents] == []

    assert cardioner(monkeypatch, "add", "bisoprolol", "--pipeline", pipeline) == 0

    assert capsys.readouterr().out == "1 added, 0 there already\n"
    nlp = spacy.load(pipeline)
    assert [ent.text for ent in nlp("Toma bisoprolol").ents] == ["bisoprolol"]
    assert len(nlp.get_pipe("gazetteer")) == 1  # type: ignore[arg-type]


def test_nothing_is_said_to_be_added_that_could_not_be_written(
    pipeline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = pipeline / "gazetteer/patterns.jsonl"
    before = path.read_bytes()

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)

    assert cardioner(monkeypatch, "add", "inventol", "--pipeline", pipeline) == 1

    assert "added" not in capsys.readouterr().out
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["patterns.jsonl"]


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
        (["add", "x1", "--kind", "marca"], 1, "'marca' is not a kind"),
        (["add", "™"], 1, "is not a name"),
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
    assert "has no component cardioner_gazetteer" in capsys.readouterr().err
    assert cardioner(monkeypatch, "add", "x", "--pipeline", tmp_path) == 1
    assert "no config.cfg" in capsys.readouterr().err
    assert cardioner(monkeypatch, "add", "x", "--pipeline", "es_none") == 1
    assert "neither an installed pipeline nor a folder" in capsys.readouterr().err
