"""`cardioner annotate` as a person runs it: statuses, messages, and what lies there afterwards."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
import sys
from pathlib import Path

import click
import pytest
import spacy
from click.testing import CliRunner, Result
from typer.main import get_command

from spacy_cardioner import brat
from spacy_cardioner.cli import app
from spacy_cardioner.cli.options import NAMED
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import locked
from spacy_cardioner.texts import misfit

NOTE = "Alérgico a penicilina.\r\nToma bisoprolol 🫀 y penicilina."
DRUGS = [(11, 21), (29, 39), (44, 54)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    nlp = spacy.blank("es")
    drugs = ("penicilina", "bisoprolol")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "FARMACO", "pattern": d} for d in drugs])
    path = tmp_path_factory.mktemp("pipelines") / "es_test"
    nlp.to_disk(path)
    return str(path)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"\xef\xbb\xbf" + NOTE.encode())
    (folder / "b.txt").write_bytes(b"bien")
    (folder / "c.txt").write_bytes(NOTE.encode())
    return folder


def annotate(*arguments: str | Path, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(get_command(app), ["annotate", *map(str, arguments)], input=stdin)


def cardioner(
    *arguments: str | Path, stdin: bytes = b"", path: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run it in a process of its own, where `path` holds more packages."""
    environment = {**os.environ, **({"PYTHONPATH": str(path)} if path else {})}
    return subprocess.run(
        [sys.executable, "-m", "spacy_cardioner", "annotate", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env=environment,
        timeout=120,
    )


def spans(line: str | bytes) -> list[tuple[int, int]]:
    return [(entity["start"], entity["end"]) for entity in json.loads(line)["entities"]]


def test_a_folder_to_brat(model: str, notes: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "brat"
    result = annotate("--model", model, notes, "-o", out, "--format", "brat")
    assert result.exit_code == 0, result.output
    assert "notes annotated: 3, skipped: 0; entities found: 6" in result.stderr
    assert result.stdout == ""
    for note in brat.read_folder(out):
        assert note.annotated
        assert note.text == ("bien" if note.name == "b" else NOTE)
        found = brat.entities(note)
        assert [(entity.start, entity.end) for entity in found] == DRUGS[: len(found)]
        assert len(found) == (0 if note.name == "b" else 3)


def test_a_folder_to_tsv(model: str, notes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tsv"
    assert annotate("-m", model, notes, "-o", out, "-f", "tsv").exit_code == 0
    table = brat.read_tsv(out)
    assert {name: [row[:2] for row in rows] for name, rows in table.items()} == {
        "a": DRUGS,
        "c": DRUGS,
    }


def test_one_label_alone(model: str, notes: Path, tmp_path: Path) -> None:
    nlp = spacy.load(model)
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "OTRO", "pattern": "Alérgico"}])
    nlp.to_disk(tmp_path / "two")
    for only, labels in (([], {"FARMACO", "OTRO"}), (["OTRO"], {"OTRO"})):
        options = [word for label in only for word in ("--only", label)]
        result = annotate("-m", tmp_path / "two", notes / "c.txt", *options)
        assert result.exit_code == 0, result.output
        assert {one["label"] for one in json.loads(result.stdout)["entities"]} == labels
    result = annotate("-m", tmp_path / "two", notes, "--only", "otro")
    assert "no entity has the label otro; there are FARMACO, OTRO" in str(result.exception)


def test_upper_case_endings_go_to_brat_and_back(model: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "N.TXT").write_bytes(NOTE.encode())
    result = annotate("-m", model, tmp_path / "in", "-o", tmp_path / "out", "-f", "brat")
    assert result.exit_code == 0, result.output
    [note] = brat.read_folder(tmp_path / "out")
    assert (note.name, note.text) == ("N", NOTE)
    (tmp_path / "out" / "N.txt").rename(tmp_path / "in" / "N.TXT")
    (tmp_path / "out" / "N.ann").rename(tmp_path / "in" / "N.ANN")
    [again] = brat.read_folder(tmp_path / "in")
    assert brat.entities(again) == brat.entities(note)


def test_a_file_to_standard_output(model: str, notes: Path) -> None:
    result = annotate("-m", model, notes / "a.txt", "--with-text")
    assert result.exit_code == 0, result.output
    [line] = result.stdout.splitlines()
    assert json.loads(line)["id"] == "a"
    assert json.loads(line)["text"] == NOTE
    assert spans(line) == DRUGS


def test_standard_input_to_standard_output_whatever_the_locale(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONUTF8", "0")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = cardioner("-m", model, "-", "-o", "-", stdin=NOTE.encode())
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(b"]}\n")
    assert spans(done.stdout) == DRUGS
    assert NOTE[slice(*DRUGS[2])] in done.stdout.decode()


def test_notes_that_fail_are_named_and_the_rest_goes_on(
    model: str, notes: Path, tmp_path: Path
) -> None:
    (notes / "b.txt").write_bytes("ni\xf1o".encode("latin-1"))
    (notes / "d.txt").write_bytes(b" \r\n")
    out, folder = tmp_path / "out.jsonl", tmp_path / "brat"
    arguments = ["-m", model, notes, "-o", out, "-o", folder, "-f", "jsonl", "-f", "brat"]
    result = annotate(*arguments, "--max-errors", "1")
    assert isinstance(result.exception, CardionerError)
    message = "2 notes failed, more than --max-errors 1; the last is d.txt: empty"
    assert message in str(result.exception)
    assert not out.exists()

    for options, status in ((["--overwrite"], 3), (["--overwrite", "--lenient"], 0)):
        result = annotate(*arguments, *options)
        assert result.exit_code == status, result.output
        assert "notes annotated: 2, skipped: 2; entities found: 6" in result.stderr
        assert "skipped b.txt: not UTF-8" in result.stderr
        assert "skipped d.txt: empty" in result.stderr
        assert [json.loads(line)["id"] for line in out.read_bytes().splitlines()] == ["a", "c"]
        names = sorted(path.name for path in folder.iterdir())
        assert names == ["a.ann", "a.txt", "annotation.conf", "c.ann", "c.txt", "visual.conf"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["brat", "notes", "out.jsonl"]


@pytest.mark.parametrize("name", ["out.jsonl", "out.tsv", "out.csv", "out.spacy", "out.html"])
def test_an_output_that_is_there_is_not_replaced_unawares(
    model: str, tmp_path: Path, name: str
) -> None:
    notes, out = tmp_path / "7.txt", tmp_path / name
    notes.write_text(NOTE, encoding="utf-8")
    assert annotate("-m", model, notes, "-o", out).exit_code == 0
    before = out.stat().st_mtime_ns
    result = annotate("-m", model, notes, "-o", out)
    assert isinstance(result.exception, CardionerError)
    assert f"{out}: exists already; --overwrite" in str(result.exception)
    assert out.stat().st_mtime_ns == before
    assert annotate("-m", model, notes, "-o", out, "--overwrite").exit_code == 0
    assert out.stat().st_mtime_ns > before


def test_what_takes_no_end_can_be_written_to_again(model: str, notes: Path) -> None:
    for _ in range(2):
        assert annotate("-m", model, notes, "-o", "/dev/null").exit_code == 0


@pytest.mark.parametrize("arguments", [["-f", "brat"], ["-f", "brat", "-o", "{notes}"]])
def test_sources_are_safe_from_brat(model: str, notes: Path, arguments: list[str]) -> None:
    before = {path: path.read_bytes() for path in notes.iterdir()}
    result = annotate("-m", model, notes, *(text.format(notes=notes) for text in arguments))
    assert result.exit_code != 0
    assert {path: path.read_bytes() for path in notes.iterdir()} == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["-f", "brat"],
        ["-f", "brat", "-o", "-"],
        ["-f", "tsv", "--with-text"],
        ["-f", "xml"],
        ["--batch-size", "0"],
        ["-f", "jsonl", "-f", "tsv"],
        ["-o", "a.jsonl", "-o", "a.jsonl"],
        ["-f", "jsonl", "--with-attributes"],
        ["-o", "out", "--resume"],
        ["-o", "out", "--part-size", "2", "--resume", "--overwrite"],
        ["--part-size", "2"],
        ["--engine", "spark"],
        ["--engine", "spark", "-o", "out", "-f", "brat"],
        ["--engine", "spark", "-o", "out.tsv", "--with-text"],
        ["--engine", "spark", "-o", "out", "--workers", "2"],
        ["--engine", "spark", "-o", "out", "--timeout", "9"],
        ["--engine", "spark", "-o", "out", "--part-size", "9"],
        ["--engine", "spark", "-o", "out", "--resume"],
    ],
)
def test_wrong_usage(model: str, notes: Path, arguments: list[str]) -> None:
    assert annotate("-m", model, notes, *arguments).exit_code == 2


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A CSV with four notes, of which one has no text in UTF-8."""
    path = tmp_path / "notes.csv"
    texts = [NOTE, "bien", "ni\udcf1o", NOTE]
    rows = "".join(f'{i},"{text}"\n' for i, text in enumerate(texts))
    path.write_bytes(("NHC,Informe\n" + rows).encode("utf-8", "surrogateescape"))
    return path


def test_several_outputs_in_one_pass(model: str, notes: Path, tmp_path: Path) -> None:
    out = [tmp_path / name for name in ("a.jsonl", "a.tsv", "brat", "a.html", "a.spacy")]
    options = [option for path in out for option in ("-o", path)]
    formats = ["-f", "jsonl", "-f", "tsv", "-f", "brat", "-f", "html", "-f", "docbin"]
    result = annotate("-m", model, notes, *options, *formats, "--with-attributes")
    assert result.exit_code == 0, result.output
    assert [spans(line) for line in out[0].read_bytes().splitlines()] == [DRUGS, [], DRUGS]
    header, *rows = out[1].read_text(encoding="utf-8").splitlines()
    assert header.split("\t")[:7] == [*brat.TSV_HEADER, "score", "kb_id"]
    assert len(rows) == 6
    assert len(list(brat.read_folder(out[2]))) == 3
    assert out[3].read_text(encoding="utf-8").count("<mark") == 6
    nlp = spacy.blank("es")
    docs = list(spacy.tokens.DocBin().from_disk(out[4]).get_docs(nlp.vocab))
    assert [doc.user_data["note_id"] for doc in docs] == ["a", "b", "c"]


def test_columns_are_guessed_and_the_guess_is_said(model: str, tmp_path: Path, table: Path) -> None:
    arguments = ("-m", model, table, "--lenient", "--text-column", "Informe")
    result = annotate(*arguments)
    assert result.exit_code == 0, result.output
    assert "the numbers of the rows (--id-column)" in result.stderr
    assert "Informe" not in result.stderr
    ids = [json.loads(line)["id"] for line in result.stdout.splitlines()]
    assert ids == ["notes-1", "notes-2", "notes-4"]
    result = annotate(*arguments, "--id-column", "NHC")
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["0", "1", "3"]
    assert "column" not in result.stderr


def test_a_run_in_parts_tells_what_failed_by_its_status(
    model: str, tmp_path: Path, table: Path
) -> None:
    out = tmp_path / "out"
    arguments = ["-m", model, table, "--text-column", "Informe", "--id-column", "NHC", "-o", out]
    arguments += ["--part-size", "2"]
    result = annotate(*arguments, "--max-errors", "0")
    assert isinstance(result.exception, CardionerError)
    assert "notes.csv, row 3: not UTF-8" in str(result.exception)
    result = annotate(*arguments, "--resume")
    assert result.exit_code == 3
    assert "notes annotated: 3, skipped: 1; entities found: 6" in result.stderr
    errors = out / "_errors.jsonl"
    assert str(errors) in result.stderr
    reason = misfit("utf-8", "not {} at character 2")
    assert json.loads(errors.read_bytes()) == {"id": "2", "reason": reason}
    assert annotate(*arguments, "--resume", "--lenient").exit_code == 0
    result = annotate(*arguments)
    assert isinstance(result.exception, CardionerError)
    assert "--overwrite" in str(result.exception)
    assert annotate(*arguments, "--overwrite").exit_code == 3


def test_so_many_errors_are_allowed(model: str, table: Path) -> None:
    arguments = ["-m", model, table, "--text-column", "Informe", "--max-errors"]
    assert isinstance(annotate(*arguments, "0").exception, CardionerError)
    result = annotate(*arguments, "1")
    assert result.exit_code == 3
    assert "skipped notes.csv, row 3: not UTF-8" in result.stderr
    assert isinstance(annotate(*arguments, "0", "--lenient").exception, CardionerError)


def test_what_cannot_be_written_is_named(model: str, notes: Path, tmp_path: Path) -> None:
    for arguments in (["-o", tmp_path], ["-f", "brat", "-o", notes / "a.txt" / "out"]):
        result = annotate("-m", model, notes, *arguments)
        assert isinstance(result.exception, CardionerError), result.output
        assert str(arguments[-1]) in str(result.exception)


def test_a_model_that_is_not_there_is_a_message_and_no_traceback(notes: Path) -> None:
    done = cardioner("-m", "es_nowhere", notes)
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.startswith(b"error: es_nowhere: ")
    assert b"pip" in done.stderr
    assert b"Traceback" not in done.stderr


def install(site: Path, name: str, version: str, module: str = "", metadata: str = "") -> None:
    """Put a package of one module where a process finds it."""
    (site / f"{name}.py").write_text(module)
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    lines = ("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", metadata)
    (info / "METADATA").write_text("\n".join(lines))
    if name == "unfit":
        (info / "entry_points.txt").write_text("[spacy_factories]\nunfit = unfit:make\n")


@pytest.mark.parametrize(
    "imports, messages",
    [
        ("nowhere_to_be_found", ["a required package is missing", "nowhere_to_be_found"]),
        ("transformers.moved", ["spacy-transformers", "transformers<4.53.3", "pip install"]),
    ],
)
def test_a_pipeline_whose_component_cannot_be_imported(
    model: str, notes: Path, tmp_path: Path, imports: str, messages: list[str]
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    install(site, "unfit", "1.0", f"import {imports}")
    install(site, "transformers", "99.0")
    install(site, "spacy_transformers", "1.4.0", metadata="Requires-Dist: transformers<4.53.3")
    spacy.load(model).to_disk(tmp_path / "unfit")
    config = tmp_path / "unfit" / "config.cfg"
    factory = 'factory = "entity_ruler"'
    assert factory in config.read_text()
    config.write_text(config.read_text().replace(factory, 'factory = "unfit"'))

    done = cardioner("-m", tmp_path / "unfit", notes, path=site)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert [message for message in messages if message not in done.stderr.decode()] == []


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
@pytest.mark.parametrize(
    "source, output",
    [
        *(("notes", "notes"), ("notes", "link"), ("notes", "notes/sub"), ("notes", ".")),
        *(("notes", "notes/a.ann"), ("notes", "notes/new/found.jsonl"), ("link", "notes/a.txt")),
        *(("notes/a.txt", "notes/a.txt"), ("notes/a.txt", "hard"), ("notes/a.txt", "notes")),
        *(("notes/*.txt", "notes"), ("notes/*.txt", "notes/sub"), ("n*s/?.txt", "notes/b.txt")),
        *(("notes.db", "notes.db"), ("notes", "model"), ("notes", "model/sub")),
    ],
)
def test_what_is_read_is_never_written(
    model: str,
    notes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    output: str,
    overwrite: list[str],
) -> None:
    """Gold beside the notes stays as it is, with its byte order marks."""
    (notes / "a.ann").write_bytes(b"\xef\xbb\xbfT1\tFARMACO 11 21\tpenicilina\n")
    (tmp_path / "link").symlink_to(notes)
    (tmp_path / "model").symlink_to(model)
    os.link(notes / "a.txt", tmp_path / "hard")
    with sqlite3.connect(tmp_path / "notes.db") as database:
        database.execute("create table note (id, text)")
    before = contents(tmp_path)
    monkeypatch.chdir(tmp_path)
    if source.endswith(".db"):
        pytest.importorskip("sqlalchemy", reason='needs "spacy_cardioner[sql]"')
        source = f"sqlite:///{source}"
    for kind in ("brat", "jsonl"):
        for arguments in ([], ["--part-size", "1"]):
            done = annotate(
                source, "-r", "-m", model, "-o", output, "-f", kind, *arguments, *overwrite
            )
            if kind == "jsonl" and not arguments and output == ".":
                continue  # a folder is no file that holds the notes
            assert isinstance(done.exception, CardionerError)
            assert "is, holds or lies in" in str(done.exception)
    assert contents(tmp_path) == before


def test_outputs_of_one_command_never_overlap(model: str, notes: Path, tmp_path: Path) -> None:
    out = tmp_path / "dd.jsonl"
    for other in (f"{tmp_path}/./dd.jsonl", f"{notes}/../dd.jsonl"):
        done = annotate(notes, "-m", model, "-o", out, "-o", other)
        assert "is, holds or lies in" in str(done.exception)
    assert not out.exists()


def test_standard_output_is_not_added_to_what_is_read(model: str, notes: Path) -> None:
    path = notes / "a.txt"
    before = path.read_bytes()
    command = [sys.executable, "-m", "spacy_cardioner", "annotate", str(path), "-m", model]
    with path.open("ab") as stream:
        done = subprocess.run(command, stdout=stream, stderr=subprocess.PIPE, timeout=120)
    assert done.returncode == 1
    assert b"/dev/stdout: is, holds or lies in" in done.stderr
    assert path.read_bytes() == before


def test_an_output_that_another_process_writes_is_left_to_it(
    model: str, notes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    with locked(out):
        done = cardioner(notes, "-m", model, "-o", out)
    assert done.returncode == 1
    message = f"error: {out}: process {os.getpid()} on {platform.node()} is writing it"
    assert message in done.stderr.decode()
    assert not out.exists()
    assert annotate(notes, "-m", model, "-o", out).exit_code == 0


def commands() -> dict[str, click.Command]:
    """All commands that have an output beside arguments that are files."""
    top = get_command(app)
    assert isinstance(top, click.Group)
    found = dict(top.commands)
    for name, group in top.commands.items():
        if isinstance(group, click.Group):
            found |= {f"{name} {sub}": command for sub, command in group.commands.items()}
    return {
        name: command
        for name, command in found.items()
        if any(param.name == "output" for param in command.params)
    }


@pytest.mark.parametrize("name", commands())
def test_no_command_writes_what_it_reads(tmp_path: Path, name: str) -> None:
    """Each file that is named is, lies in, or holds the output in turn."""
    arguments: list[str] = []
    files: list[Path] = []
    for param in commands()[name].params:
        assert param.name is not None
        path = tmp_path / param.name
        is_file = isinstance(param.type, click.Path) or param.name in NAMED
        if param.name == "output" or not (is_file or param.required):
            continue
        if is_file:
            path.write_text(param.name)
            files.append(path)
        value = f"own={path}" if param.name == "sources" else str(path) if is_file else "es"
        option = isinstance(param, click.Option)
        arguments += [*([param.opts[0]] if option else []), value]
    assert files
    for output in (*files, *(path / "x" for path in files), tmp_path):
        done = CliRunner().invoke(get_command(app), [*name.split(), *arguments, "-o", str(output)])
        assert isinstance(done.exception, CardionerError), done.output
        assert "is, holds or lies in" in str(done.exception)
    assert [path.read_text() for path in files] == [path.name for path in files]
