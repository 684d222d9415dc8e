from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.cli import package
from spacy.language import Language

from spacy_cardioner import annotate
from spacy_cardioner.cli import main
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.added import add_names
from spacy_cardioner.gazetteer.lexicon import Lexicon
from spacy_cardioner.gazetteer.patterns import read_patterns, to_pattern
from spacy_cardioner.loading import identity, own_folder
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
    return make_pipeline(tmp_path / "pipeline")


def make_pipeline(folder: Path) -> Path:
    nlp = spacy.blank("es")
    for name in ("gazetteer", "ruler", "linker"):
        nlp.add_pipe(f"cardioner_{name}", name)
    nlp.get_pipe("gazetteer").add_patterns(  # type: ignore[attr-defined]
        [{"label": "FARMACO", "pattern": "bisoprolol"}]
    )
    nlp.to_disk(folder)
    return folder


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
    path = pipeline / "gazetteer/patterns.jsonl"
    assert capsys.readouterr().out == (
        f"1 added, 0 there already: {path}\n0 added, 1 there already: {path}\n"
    )
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

    assert capsys.readouterr().out.startswith("1 added, 0 there already: ")
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


@pytest.mark.parametrize("where", ["folder", "package"])
def test_commands_at_the_same_time_lose_no_name(
    pipeline: Path, installed: str, own: Path, where: str
) -> None:
    target = {"folder": str(pipeline), "package": installed}[where]
    given = {f"inventol {letter}" for letter in "abcdefghijkl"}
    fork = multiprocessing.get_context("fork")
    started = fork.Barrier(len(given))

    def add(name: str) -> None:
        sys.argv = ["cardioner", "gazetteer", "add", name, "--pipeline", target]
        started.wait()
        main()

    commands = [fork.Process(target=add, args=(name,)) for name in given]
    for command in commands:
        command.start()
    for command in commands:
        command.join()

    assert [command.exitcode for command in commands] == [0] * len(given)
    assert {name for name, *_ in names(target)} == {"bisoprolol", *given}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed pipeline, of a name that it alone has."""
    folder = tmp_path_factory.mktemp("site")
    make_pipeline(folder / "pipeline")
    package(folder / "pipeline", folder, name="inventada", create_sdist=False, silent=True)
    (source,) = folder.glob("es_inventada-*")
    install = ["-m", "pip", "install", "--no-deps", "--no-build-isolation", "-q", "-t", folder]
    subprocess.run([sys.executable, *map(str, install), str(source)], check=True)
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.syspath_prepend(str(site))
    before = {path: path.read_bytes() for path in files_of(site / "es_inventada")}
    yield "es_inventada"
    assert {path: path.read_bytes() for path in files_of(site / "es_inventada")} == before


def files_of(folder: Path) -> list[Path]:
    """The files of a package, but for what Python compiles."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if "__pycache__" not in path.parts)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user."""
    monkeypatch.setenv("CARDIONER_DATA", str(tmp_path / "own"))
    return tmp_path / "own"


def entities(nlp: Language) -> list[str]:
    return [ent.text for doc in nlp.pipe(["Toma inventol y bisoprolol."]) for ent in doc.ents]


def test_names_of_an_installed_package_lie_outside_it(
    installed: str,
    own: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["add", "inventol", "--atc", "C07AB07", "--model", installed]
    before = identity(spacy.load(installed))

    assert cardioner(monkeypatch, *arguments) == 0
    assert cardioner(monkeypatch, *arguments) == 0

    assert identity(spacy.load(installed)) != before

    path = own / installed / "gazetteer.jsonl"
    assert capsys.readouterr().out == (
        f"1 added, 0 there already: {path}\n0 added, 1 there already: {path}\n"
    )
    assert names(installed) == {("bisoprolol", "", ""), ("inventol", "C07AB07", "")}
    assert [found.name for found in path.parent.iterdir()] == ["gazetteer.jsonl"]


def test_an_installed_pipeline_has_its_names_however_it_is_loaded(
    installed: str, site: Path, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cardioner(monkeypatch, "add", "inventol", "--pipeline", installed) == 0
    (folder,) = (site / installed).glob("es_inventada-*")
    nlp = spacy.load(installed)

    loaded = [
        nlp,
        importlib.import_module(installed).load(),
        spacy.load(folder),
        pickle.loads(pickle.dumps(nlp)),
        nlp.from_config(nlp.config).from_bytes(nlp.to_bytes()),
    ]
    nlp.to_disk(tmp_path / "saved")
    loaded.append(spacy.load(tmp_path / "saved"))

    for each in loaded:
        assert entities(each) == ["inventol"]
        assert len(each.get_pipe("gazetteer")) == 2  # type: ignore[arg-type]
    docs = nlp.pipe(["Toma inventol."] * 4, n_process=2, batch_size=1)
    assert [ent.text for doc in docs for ent in doc.ents] == ["inventol"] * 4
    with_workers = annotate(["Toma inventol."], installed, workers=1)
    assert [mention.text for note in with_workers for mention in note.mentions] == ["inventol"]
    assert len(spacy.load(installed, disable=["gazetteer"]).get_pipe("gazetteer")) == 2  # type: ignore[arg-type]
    assert "gazetteer" not in spacy.load(installed, exclude=["gazetteer", "ruler"]).pipe_names


def test_only_an_installed_pipeline_has_them(
    installed: str, site: Path, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cardioner(monkeypatch, "add", "inventol", "--pipeline", installed) == 0
    (folder,) = (site / installed).glob("es_inventada-*")
    # The same folder, package and all, in another place, where a name is added to it itself.
    shutil.copytree(site / installed, tmp_path / "copy" / installed)
    copy = tmp_path / "copy" / installed

    assert names(copy / folder.name) == {("bisoprolol", "", "")}
    assert cardioner(monkeypatch, "add", "otrol", "--pipeline", copy) == 0
    assert names(copy / folder.name) == {("bisoprolol", "", ""), ("otrol", "", "")}
    assert names(installed) == {("bisoprolol", "", ""), ("inventol", "", "")}
    monkeypatch.setenv("CARDIONER_DATA", "")
    assert names(installed) == {("bisoprolol", "", "")}


def test_without_a_folder_of_the_user_nothing_is_added_to_a_package(
    installed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cardioner(monkeypatch, "add", "inventol", "--pipeline", installed) == 1
    assert "CARDIONER_DATA is empty" in capsys.readouterr().err


def test_a_listed_name_of_a_package_becomes_an_entity(
    installed: str, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cardioner(monkeypatch, "add", "bisoprolol", "--pipeline", installed) == 0

    assert entities(spacy.load(installed)) == ["bisoprolol"]


def test_names_that_cannot_be_read_stop_the_pipeline(
    installed: str,
    own: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "note.txt").write_text("Toma inventol.")
    path = own / installed / "gazetteer.jsonl"
    path.parent.mkdir(parents=True)
    good = b'{"label": "FARMACO", "pattern": "otrol"}\n'
    for content, said in (
        (good + b'{"label": "FARMACO", "pattern": "cut o', f"{path}:2: not JSON"),
        (good + b"7\n", f'{path}:2: the gazetteer needs "pattern"'),
        (good + b'{"label": "UNA COSA", "pattern": "x1"}\n', f"{path}:2: "),
        (good + b"\xff\n", f"{path}:2: not UTF-8"),
        (None, f"{path}: cannot be read"),
    ):
        if content is None:
            path.unlink()
            path.mkdir()
        else:
            path.write_bytes(content)
        with pytest.raises(CardionerError, match=re.escape(said)) as caught:
            spacy.load(installed)
        assert "CARDIONER_DATA" in str(caught.value)
        assert cardioner(monkeypatch, "add", "x1", "--pipeline", installed) == 1
        output = capsys.readouterr()
        assert said in output.err
        assert "added," not in output.out
        assert content is None or path.read_bytes() == content
    monkeypatch.setattr("sys.argv", ["cardioner", "annotate", str(tmp_path / "note.txt"), "-m"])
    sys.argv.append(installed)
    with pytest.raises(SystemExit):
        main()
    assert f"error: {path}: cannot be read" in capsys.readouterr().err


def test_the_folder_of_the_user_has_a_usual_place(
    site: Path, installed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder,) = (site / installed).glob("es_inventada-*")
    monkeypatch.delenv("CARDIONER_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)

    found = own_folder(folder)

    assert found is not None and found.is_relative_to(tmp_path)
    assert (found.name, found.parent.name) == (installed, "spacy_cardioner")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(site)])
    assert own_folder(folder) is None


@given(name=st.text(max_size=20) | st.text(st.characters(max_codepoint=255), min_size=490))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_a_name_is_refused_or_found(tmp_path: Path, name: str) -> None:
    try:
        pattern = to_pattern({"label": "FARMACO", "pattern": name})
    except CardionerError:
        return
    added, path = add_names(tmp_path / "pipeline" / "gazetteer", [pattern])
    lexicon = Lexicon(read_patterns(path))
    assert name in lexicon
    path.unlink()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["add", "x1", "--atc", "C7"], 1, "'C7' is not an ATC code"),
        (["add", "x1", "--kind", "marca"], 1, "'marca' is not a kind"),
        (["add", "™"], 1, "is not a name"),
        (["add", ""], 1, "is not a name"),
        (["add", "inven\ttol"], 1, "control characters"),
        (["add", "\x1b[31mx1"], 1, "control characters"),
        (["add", "inventol \udcff"], 1, "control characters"),
        (["add", "x1" * 300], 1, "more than 500 characters"),
        (["add", "x1", "--label", "FARMCO"], 1, "which has FARMACO;"),
        (["add", "x1", "--label", ""], 1, "which has FARMACO;"),
        (["add", "x1", "--label", "UN FARMACO"], 1, "which has FARMACO;"),
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
    assert "not the folder of a pipeline" in capsys.readouterr().err
    assert cardioner(monkeypatch, "add", "x", "--pipeline", "es_none") == 1
    assert "neither an installed pipeline nor a folder" in capsys.readouterr().err


TERMS = "name\tlang\tid\tlicence\nSíncope\tes\tHP:0001279\tHPO\nsyncope\ten\tHP:0001279\tHPO\n"


def with_diseases(folder: Path) -> Path:
    """Make a pipeline that finds a disease."""
    nlp = spacy.load(make_pipeline(folder))
    ruler = nlp.add_pipe("entity_ruler", "diseases", before="linker")
    ruler.add_patterns(  # type: ignore[attr-defined]
        [{"label": "ENFERMEDAD", "pattern": [{"LOWER": "síncope"}]}]
    )
    nlp.to_disk(folder)
    return folder


def test_a_list_of_terms_gives_codes_to_a_saved_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "terms.tsv").write_text(TERMS, encoding="utf-8")
    out = tmp_path / "terms.jsonl"
    build = ["build", tmp_path / "terms.tsv", "--lang", "es", "-o", out]
    assert cardioner(monkeypatch, *build) == 0
    assert json.loads(out.read_text(encoding="utf-8")) == {
        **{"label": "ENFERMEDAD", "pattern": "Síncope", "id": "HP:0001279", "kind": "term"},
    }
    folder = with_diseases(tmp_path / "pipeline")
    add = ["add", "--table", out, "--pipeline", folder]

    assert [cardioner(monkeypatch, *add) for _ in range(2)] == [0, 0]

    path = folder / "gazetteer/patterns.jsonl"
    said = capsys.readouterr().out.splitlines()[-2:]
    assert said == [f"1 added, 0 there already: {path}", f"0 added, 1 there already: {path}"]
    doc = spacy.load(folder)("Un síncope.")
    assert [(ent.text, ent.kb_id_, ent._.vocabulary) for ent in doc.ents] == [
        ("síncope", "HP:0001279", "HP")
    ]
    assert not doc.spans["gazetteer"]


def test_a_list_for_labels_that_a_pipeline_lacks(
    pipeline: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "terms.tsv").write_text(TERMS, encoding="utf-8")
    out = tmp_path / "terms.jsonl"
    labels = ["--term-label", "SINTOMA", "--term-label", "FARMACO"]
    assert cardioner(monkeypatch, "build", tmp_path / "terms.tsv", *labels, "-o", out) == 0
    assert len(out.read_text(encoding="utf-8").splitlines()) == 4

    assert cardioner(monkeypatch, "add", "--table", out, "--pipeline", pipeline) == 1
    assert "'SINTOMA' is not a label of the pipeline" in capsys.readouterr().err


def test_the_terms_of_a_user_reach_an_installed_pipeline(installed: str, own: Path) -> None:
    file = own / installed / "gazetteer.jsonl"
    file.parent.mkdir(parents=True)
    term = {"label": "ENFERMEDAD", "pattern": "Síncope", "id": "HP:0001279", "kind": "term"}
    file.write_text(json.dumps(term) + "\n", encoding="utf-8")

    gazetteer = spacy.load(installed).get_pipe("gazetteer")
    answer = gazetteer.terms.look_up("síncope", "ENFERMEDAD")  # type: ignore[attr-defined]
    assert answer.code == "HP:0001279"
