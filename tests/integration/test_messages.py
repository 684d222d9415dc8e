"""No message, log or record holds what a user's data hold, whatever is wrong with them.

A word is planted in notes, ids, columns, keys and files of every format, and everything fails. With
--show-text, the messages that could hold the word do, and a terminal does not obey it.
"""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc

from spacy_cardioner.cli import main
from spacy_cardioner.corpus import write_docbin
from spacy_cardioner.errors import CardionerError, masked, plain, reason, shown
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.trainer import _train
from tests.conftest import ROOT

WORD = "ZOQUETE"
# What a terminal would obey: a colour, and a change of direction.
EVIL = f"{WORD}\x1b[31m\u202e"
LINE = f"{WORD} con tos"
FAILED = 3

Run = Callable[..., tuple[int, str]]
Files = dict[str, bytes | str | Callable[[Path], None]]


@Language.component("spill")
def spill(doc: Doc) -> Doc:
    warnings.warn(f"[W030] not aligned: {doc.text}", stacklevel=2)
    raise ValueError(f"[E024] cannot do {doc.text}")


class Case(NamedTuple):
    """Files, a command that fails on them, and whether a message can name the word at all."""

    name: str
    files: Files
    command: str
    seen: bool = False
    status: int = 1


def parquet(**columns: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet

        pyarrow.parquet.write_table(pa.table(columns), path)

    return write


def sqlite(*statements: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        pytest.importorskip("sqlalchemy")
        connection = sqlite3.connect(path)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return write


def duckdb(*statements: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        pytest.importorskip("duckdb_engine")
        import duckdb

        with duckdb.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)

    return write


def annotate(
    name: str, file: str, data: Any, seen: bool = False, status: int = 1, more: str = ""
) -> Case:
    return Case(name, {file: data}, f"annotate {file} -m model -o out.jsonl {more}", seen, status)


def rows(*objects: Any) -> str:
    return "".join(f"{json.dumps(each)}\n" for each in objects)


def brat(ann: str | bytes, txt: str | bytes = LINE) -> Files:
    return {"c/n.txt": txt, "c/n.ann": ann}


CUT = gzip.compress(rows({"id": WORD, "text": LINE}).encode() * 99)[:-20]
CONVERT = "convert c --lang es -o out.spacy"
TSV = "filename\tlabel\tstart_span\tend_span\ttext\n"
GOLD: Files = {"gold.tsv": f"{TSV}n\tL\t0\t3\ttos\n"}
EVALUATE = "evaluate --gold gold.tsv --pred pred.tsv"
NOTE = {"id": WORD, "text": "Toma bisoprolol."}

CASES = [
    # Columns
    annotate("csv without header", "a.csv", f"1,{EVIL} con tos\n2,b\n", seen=True),
    annotate("tsv without header", "a.tsv", f"1\t{EVIL} con tos\n2\tb\n", seen=True),
    annotate("csv gz", "a.csv.gz", gzip.compress(f"1,{LINE}\n".encode()), seen=True),
    annotate("wrong delimiter", "a.csv", f"id#{EVIL}#text\n1#a#b\n", seen=True),
    annotate("wrong column", "a.csv", f"id,{EVIL}\n1,b\n", seen=True, more="--text-column x"),
    annotate("wrong ids", "a.csv", f"text,{EVIL}\na,b\n", seen=True, more="--id-column x"),
    annotate("wrong kept", "a.csv", f"id,text,{EVIL}\n1,a,b\n", seen=True, more="--keep x"),
    annotate("two kept", "a.csv", f"id,text,x,x,{EVIL}\n1,a,b,b,{WORD}\n", more="--keep x"),
    annotate("kept bytes", "a.csv", b"id,text,x\n" + f"1,a,{WORD}\xff\n".encode("latin-1"), False,
             FAILED, "--keep x"),
    annotate("UTF-8", "a.csv", f"id,text\n{WORD},{WORD}é\n", True, FAILED, "--encoding cp1252"),
    annotate("JSON as text", "a.txt", rows({WORD: WORD}), False, FAILED),
    annotate("two columns", "a.csv", f"id,text,text,{EVIL}\n1,a,b,{WORD}\n"),
    annotate("keys", "a.jsonl", rows({EVIL: 1, "b": WORD}), seen=True),
    annotate("parquet columns", "a.parquet", parquet(**{EVIL: [1]}), seen=True),
    annotate(
        "parquet column", "a.parquet", parquet(id=[WORD], t=[LINE]), False, 1, "--text-column x",
    ),
    # Rows
    annotate("unclosed quote", "a.csv", f'id,text\n1,"{LINE}\n2,b\n'),
    annotate("quote inside", "a.csv", f'id,text\n1,"a"{LINE}"\n2,b\n'),
    annotate(
        "bytes", "a.csv", b"id,text\n" + f"{WORD},{WORD}\xff\n".encode("latin-1"), True, FAILED,
    ),
    annotate("header bytes", "a.csv", b"id," + f"{WORD}\xff\n1,b\n".encode("latin-1"), seen=True),
    annotate("NUL", "a.csv", f"id,text\n{WORD},{WORD}\0\n", True, FAILED),
    annotate("width", "a.csv", f"id,text\n1,{WORD},{WORD}\n", False, FAILED),
    annotate("tab in id", "a.csv", f'id,text\n"{WORD}\t",{LINE}\n', False, FAILED),
    annotate("long id", "a.csv", f"id,text\n{WORD * 300},{LINE}\n", False, FAILED),
    annotate("evil id", "a.csv", f"id,text\n{EVIL},\n", False, FAILED),
    annotate("empty text", "a.csv", f"id,text\n{WORD},\n", True, FAILED),
    annotate("not JSON", "a.jsonl", rows(NOTE) + f'{{"id": "{WORD}", "te', False, FAILED),
    annotate("only not JSON", "a.jsonl", f"{LINE}\n"),
    annotate("not an object", "a.jsonl", rows(NOTE, [WORD]), False, FAILED),
    annotate(
        "twice a key", "a.jsonl", rows(NOTE) + f'{{"{WORD}": 1, "{WORD}": 2}}\n', False, FAILED,
    ),
    annotate("object as id", "a.jsonl", rows({"id": {WORD: WORD}, "text": LINE}), False, FAILED),
    annotate("list as id", "a.jsonl", rows({"id": [WORD], "text": LINE}), False, FAILED),
    annotate("object as text", "a.jsonl", rows({"id": WORD, "text": {WORD: LINE}}), True, FAILED),
    annotate("surrogate", "a.jsonl", rows({"id": WORD, "text": f"{WORD}\ud800"}), True, FAILED),
    annotate("cut gzip", "a.jsonl.gz", CUT, seen=True),
    annotate("no gzip", "a.txt.gz", LINE, False, FAILED),
    annotate("txt bytes", "a.txt", f"{WORD}\xff".encode("latin-1"), False, FAILED),
    annotate("txt NUL", "a.txt", f"{WORD}\0", False, FAILED),
    annotate("no parquet", "a.parquet", f"PAR1{LINE}PAR1"),
    annotate(
        "parquet ids", "a.parquet", parquet(id=[{WORD: WORD}, {WORD: WORD}], text=[LINE, LINE]),
        False, FAILED,
    ),
    annotate("parquet bytes", "a.parquet", parquet(id=[WORD], text=[b"ZOQUETE\xff"]), True, FAILED),
    # Databases
    Case(
        "no table", {"a.db": sqlite(f"CREATE TABLE {WORD} (a)")},
        "annotate sqlite:///a.db -m model -o o.jsonl --table x", False,
    ),
    Case(
        "no columns", {"a.db": sqlite(f"CREATE TABLE note ({WORD}, a)")},
        "annotate sqlite:///a.db -m model -o o.jsonl", True,
    ),
    Case(
        "rows",
        {
            "a.db": sqlite(
                "CREATE TABLE note (id, text)",
                f"INSERT INTO note VALUES ('{WORD}', CAST(x'5a4f5155455445ff' AS TEXT))",
                f"INSERT INTO note VALUES (CAST('{WORD}' AS BLOB), '{LINE}')",
            )
        },
        "annotate sqlite:///a.db -m model -o o.jsonl", True, FAILED,
    ),
    Case("no sqlite", {"a.db": LINE * 99}, "annotate sqlite:///a.db -m model -o o.jsonl"),
    Case("no duckdb", {"a.db": LINE * 99}, "annotate duckdb:///a.db -m model -o o.jsonl"),
    Case(
        "values",
        {"a.db": duckdb(f"CREATE VIEW note AS SELECT 1 id, CAST('{WORD}' AS INTEGER) text")},
        "annotate duckdb:///a.db -m model -o o.jsonl", True,
    ),
    # Outputs and pipelines
    annotate("OMOP", "a.jsonl", rows(NOTE), True, FAILED, "-f omop"),
    annotate("max errors", "a.jsonl", rows(NOTE), True, 1, "-f omop --max-errors 0"),
    annotate("BRAT twice", "a.jsonl", rows(NOTE, NOTE), True, FAILED, "-f brat"),
    annotate("BRAT names", "a.jsonl", rows({**NOTE, "id": f"../{WORD}"}), True, FAILED, "-f brat"),
    annotate(
        "BRAT folder", "a.jsonl", rows(NOTE, {**NOTE, "id": f"{WORD}.txt/b"}),
        True, FAILED, "-f brat",
    ),
    Case(
        "pipeline", {"a.jsonl": rows({"id": "1", "text": EVIL})},
        "annotate a.jsonl -m spill -o out.jsonl", True, FAILED,
    ),
    # Corpora
    Case("T line", brat(f"T1\t{WORD}\n"), CONVERT),
    Case("mention", brat(f"T1\tL 0 3\t{WORD}\n"), CONVERT),
    Case("offsets", brat(f"T1\tL {WORD} 3\t{WORD}\n"), CONVERT),
    Case("id", brat(f"{EVIL}\tL 0 3\t{WORD}\n"), CONVERT),
    Case("ann bytes", brat(f"{WORD}\xff".encode("latin-1")), CONVERT),
    Case("txt bytes", brat("", f"{WORD}\xff".encode("latin-1")), CONVERT),
    Case("lost", brat("T1\tL 0 3;5 7\tZOQTE\n"), f"{CONVERT} --discontinuous skip --strict"),
    Case("texts", {**brat(""), "d/n.txt": f"otro {WORD}"}, f"{CONVERT} d"),
    Case("lenient", brat(f"T1\t{WORD}\n"), f"{CONVERT} --lenient", False, 0),
    Case("split", brat(""), "split c -o folds.json"),
    # Evaluation
    Case("header", {**GOLD, "pred.tsv": f"{LINE}\n"}, EVALUATE),
    Case("row", {**GOLD, "pred.tsv": f"{TSV}{WORD}\t{WORD}\tx\t{WORD}\n"}, EVALUATE),
    Case("offset", {**GOLD, "pred.tsv": f"{TSV}{WORD}\t{WORD}\tx{WORD}\t3\ta\n"}, EVALUATE),
    Case("unknown", {**GOLD, "pred.tsv": f"{TSV}{EVIL}\tL\t0\t3\ttos\n"}, EVALUATE, True, 0),
    Case(
        "unknown in a folder", {**brat(""), "pred.tsv": f"{TSV}{EVIL}\tL\t0\t3\ttos\n"},
        "evaluate --gold c --pred pred.tsv", True,
    ),
    Case(
        "documents", {**GOLD, "pred.tsv": TSV, "names": f"{WORD}\n"},
        f"{EVALUATE} --documents names", True,
    ),
    Case(
        "labels", {**GOLD, "pred.tsv": f"{TSV}{WORD}\tM\t0\t3\t{WORD}\n"},
        f"{EVALUATE} --only X",
    ),
    Case(
        "calibration",
        {**GOLD, "pred.tsv": TSV, "s.jsonl": rows({"id": 1, "entities": [{"start": WORD}]})},
        f"{EVALUATE} --calibration s.jsonl", True,
    ),
    Case("scores", {**GOLD, "pred.tsv": TSV, "s.jsonl": LINE}, f"{EVALUATE} --calibration s.jsonl"),
    # Gazetteers
    Case(
        "code", {"a.tsv": f"name\tatc\tkind\nasma\t{WORD}\t\n"},
        "gazetteer build own=a.tsv -o o.jsonl", True,
    ),
    Case(
        "kind", {"a.tsv": f"name\tatc\tkind\nasma\tC07AB07\t{WORD}\n"},
        "gazetteer build own=a.tsv -o o.jsonl", True,
    ),
    Case("registry", {"a.tsv": f"{LINE}\n"}, "gazetteer build a.tsv -o o.jsonl"),
    Case(
        "add", {"a.tsv": f"name\tatc\tkind\nasma\t{WORD}\t\n"},
        "gazetteer add --pipeline model --table a.tsv", True,
    ),
    Case(
        "names", {"a.csv": f"atc_code,atc_name,ddd,uom,adm_r,note\nC07,{WORD},,,,\nC07,b,,,,\n"},
        "gazetteer build atc=a.csv -o o.jsonl", True,
    ),
    Case("CIMA", {"a.xml": f"<{WORD}>&{WORD};"}, "gazetteer build cima=a.xml -o o.jsonl", True),
    Case(
        "texts of a list", {"a.tsv": "name\tatc\tkind\nasma\t\t\n", "t.jsonl": f"{LINE}\n"},
        "gazetteer build own=a.tsv -o o.jsonl --text t.jsonl",
    ),
    # Training and packages
    Case(
        "texts of vectors", {"t.jsonl": rows({WORD: LINE})},
        "pretrain vectors --texts t.jsonl --lang es -o o",
    ),
    Case(
        "texts of a vocabulary", {"t.jsonl": rows({WORD: LINE})},
        "pretrain vocabulary e --texts t.jsonl -o o",
    ),
    Case(
        "text file", {"t.txt": f"{WORD}\xff".encode("latin-1")},
        "pretrain vectors --texts t.txt --lang es -o o",
    ),
    Case("recipe", {"r.yml": f"{WORD}: [{LINE}"}, "train r.yml --corpus c --lang es -o o"),
    Case(
        "stages", {"r.yml": f"seeds: [1]\nstages: {{cpu: [{{{WORD}: 1}}]}}"},
        "train r.yml --corpus c --lang es -o o", True,
    ),
    Case(
        "folds", {"f.json": rows([WORD])},
        f"crossval {ROOT}/configs/single.yml --corpus c --lang es --folds f.json -o o",
    ),
    Case("DocBin", {"c/cardioccc/es.spacy": LINE}, "rerank model r --label L --corpus c -o o"),
    Case(
        "folder of a run", {"r/folds.json": LINE, "c/cardioccc/es.spacy": LINE},
        "rerank model r --label L --corpus c -o o",
    ),
    Case(
        "pipeline files", {"p/meta.json": LINE, "p/config.cfg": LINE},
        "narrow p -o o --lang es --label L",
    ),
    Case("card", {"t.json": LINE}, "card t.json --lang es -o o.json"),
    Case(
        "package", {"p/meta.json": LINE, "t.json": "{}"},
        "package p --card t.json --lang es -o o",
    ),
    Case(
        "config", {"a.cfg": LINE, "p/meta.json": '{"pipeline": []}'},
        "assemble a.cfg p --lang es --corpus c -o o",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    nlp = blank("es")
    nlp.add_pipe("cardioner_gazetteer", name="gazetteer")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "FARMACO", "pattern": "bisoprolol"}])
    nlp.to_disk(folder / "model")
    nlp = blank("es")
    nlp.add_pipe("spill")
    nlp.to_disk(folder / "spill")
    return folder


@pytest.fixture
def cardioner(
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Run:
    """Runs a command in a folder of its own; its exit status, and all that it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARDIONER_SHOW_TEXT", "")
    for model in models.iterdir():
        Path(model.name).symlink_to(model)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["cardioner", *arguments])
        with warnings.catch_warnings(), pytest.raises(SystemExit) as status:
            warnings.simplefilter("always")
            main()
            raise SystemExit(0)
        said = capfd.readouterr()
        return int(status.value.code or 0), said.out + said.err

    return run


def write(files: Files) -> None:
    for name, content in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_fails_names_no_data(cardioner: Run, case: Case) -> None:
    write(case.files)
    command = case.command.split()
    status, said = cardioner(*command)
    assert status == case.status, said
    assert WORD not in said.replace("\n", "")
    again = ["--overwrite"] if command[0] == "annotate" else []
    status, said = cardioner(*command, "--show-text", *again)
    assert status == case.status, said
    assert (WORD in said) == case.seen, said
    assert "\x1b" not in said and "\u202e" not in said


def test_records_of_a_run_name_no_data_but_the_ids(cardioner: Run) -> None:
    write({"a.jsonl": rows({"id": f"{WORD} 1", "text": LINE}, {"id": "2", "text": [LINE]})})
    status, said = cardioner(
        "annotate", "a.jsonl", "-m", "spill", "-o", "out", "--part-size", "1", "-f", "omop"
    )
    assert status == FAILED and WORD not in said
    failed = list(srsly.read_jsonl(Path("out/_errors.jsonl")))
    assert [row["id"] for row in failed] == [f"{WORD} 1", "2"]
    assert not any(WORD in row["reason"] for row in failed)
    assert WORD not in Path("out/_manifest.json").read_text(encoding="utf-8")


def test_standard_input_names_no_data(cardioner: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = SimpleNamespace(buffer=io.BytesIO(f"{WORD}\xff".encode("latin-1")))
    monkeypatch.setattr(sys, "stdin", stdin)
    status, said = cardioner("annotate", "-", "-m", "model", "-o", "out.jsonl")
    assert status == FAILED and "standard input" in said and WORD not in said


def test_names_of_files_are_shown_but_not_obeyed(cardioner: Run) -> None:
    name = "a\x1b[31m\u202e\nerror: b.txt"
    write({name: b"\xff"})
    status, said = cardioner("annotate", name, "-m", "model", "-o", "out.jsonl")
    assert status == FAILED
    assert r"a\x1b[31m\u202e\nerror: b.txt" in said
    status, said = cardioner("annotate", f"no{name}", "-m", "model")
    assert said == f"error: {plain(f'no{name}')}: no file matches this pattern\n"
    status, said = cardioner("annotate", "a", name, "-m", "model")
    assert status == 2 and "\x1b" not in said and "\u202e" not in said


def test_the_option_is_one_of_every_command(cardioner: Run) -> None:
    write({"a.csv": f"1,{LINE}\n"})
    command = ["annotate", "a.csv", "-m", "model"]
    assert WORD in cardioner("--show-text", *command)[1]
    # It ends with the command.
    hidden = cardioner(*command)[1]
    assert WORD not in hidden and "2 columns" in hidden
    for line in (
        "gazetteer build x -o y",
        "pretrain vectors --texts x --lang es -o y",
        "check-corpus x",
    ):
        assert cardioner(*line.split(), "--show-text")[0] == 1


def test_a_fault_of_the_program_names_no_data(
    cardioner: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(EVIL)

    monkeypatch.setattr("spacy_cardioner.layout.find", fail)
    status, said = cardioner("check-corpus", "x")
    assert status == 1 and "in fail" in said and "RuntimeError" in said and WORD not in said


def test_the_log_of_a_training_names_no_data(tmp_path: Path) -> None:
    nlp = blank("es")
    nlp.add_pipe("spill")
    write_docbin(tmp_path / "docs.spacy", [nlp.make_doc(LINE)])
    nlp.config["paths"].update({"train": str(tmp_path / "docs.spacy")})
    nlp.config["paths"]["dev"] = nlp.config["paths"]["train"]
    nlp.config["training"].update({"max_steps": 1, "eval_frequency": 1})
    nlp.config.to_disk(tmp_path / "config.cfg")
    with warnings.catch_warnings(), pytest.raises(CardionerError) as caught:
        _train(-1, tmp_path)
    assert WORD not in str(caught.value)
    log = (tmp_path / "train.log").read_text(encoding="utf-8")
    assert "ENTS" in log or "exception" in log
    assert WORD not in log


def test_what_stands_for_hidden_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(WORD) == "<7 characters, sha256 7066>"
    assert reason(ValueError(f"[E024] {WORD}")).startswith("ValueError E024 <14 characters")
    assert reason(FileNotFoundError(2, "No such file", WORD)) == "No such file"
    monkeypatch.setenv("CARDIONER_SHOW_TEXT", "1")
    assert shown(EVIL) == rf"'{WORD}\x1b[31m\u202e'"
    assert reason(ValueError(f"{WORD} secreto"), ["secreto"]) == f"ValueError '{WORD} ***'"
    assert str(CardionerError("a\nb", "c")) == "a\\nb\nc"


@given(st.text())
def test_plain_text_is_printable(text: str) -> None:
    assert plain(text).isprintable()
    assert plain(plain(text)) == plain(text)
    if text.isprintable():
        assert plain(text) == text


ADDRESSES = [
    "postgresql+psycopg://user:{}@host/db",
    "postgresql://user:{}@host:5432/db?sslmode=require",
    "postgresql://{}@host/db",
    "postgresql://host/db?password={}",
    "postgresql://host/db?pass%77ord={}&a=b",
    "postgresql://host/db?user=a&sslpassword={}#b",
    "postgresql://host/db;PWD={}",
    "jdbc:sqlserver://host:1433;user=a;password={};",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3Da%3BPWD%3D{}",
    "duckdb:///md:notes?motherduck_token={}",
    "sqlite+pysqlcipher://:{}@/notes.db",
    "s3a://key:{}@bucket/notes",
    "postgresql:user:{}@host/db",
    "postgresql:/user:{}@host/db",
    "host=a user=b password={}",
    "Driver=a;Pwd = {}",
]


@pytest.mark.parametrize("address", ADDRESSES)
@settings(max_examples=30)
@given(st.text("aB7/@:?#&;=% %.-ñ\n", min_size=6, max_size=12))
def test_no_spelling_of_an_address_shows_its_password(address: str, password: str) -> None:
    password = f"k{password}k"
    assert password not in masked(address.format(password))
    assert quote(password) not in masked(address.format(quote(password)))


def test_places_stay_readable() -> None:
    for name in ("duckdb:///a b/notes.duckdb", "postgresql://host:5432/db", "notes/*.csv", "C:\\a"):
        assert masked(name) == name
    assert masked("postgresql://a:b@host/db?c=d") == "postgresql://***@host/db***"


@pytest.mark.parametrize("address", [a for a in ADDRESSES if "s3a" not in a])
def test_messages_show_no_password(cardioner: Run, address: str) -> None:
    pytest.importorskip("sqlalchemy")
    given = address.replace("host", "127.0.0.1:1").format(WORD)
    for option in ([], ["--show-text"], ["--input-format", "sql"]):
        status, said = cardioner("annotate", given, "-m", "model", "-o", "o.jsonl", *option)
        assert status == 1 and said.startswith("error: "), said
        assert WORD not in said.replace("\n", "")


def test_records_show_no_password(cardioner: Run) -> None:
    write({"a.db": sqlite("CREATE TABLE note (id, text)", "INSERT INTO note VALUES (1, 'a')")})
    address = f"sqlite:///file:a.db?uri=true&password={WORD}"
    command = ["annotate", address, "-m", "model", "-o", "out", "-f", "jsonl", "--part-size", "1"]
    status, said = cardioner(*command)
    assert (status, WORD in said) == (0, False)
    manifest = Path("out/_manifest.json").read_text(encoding="utf-8")
    assert "sqlite:///" in manifest and WORD not in manifest
