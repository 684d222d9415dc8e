"""Notes from the OMOP table NOTE, and mentions into NOTE_NLP: DuckDB, SQLite, a real PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from spacy_cardioner.batch.readers import open_source
from spacy_cardioner.batch.run import Job, run
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.writers import Output, OutputFormat
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.tokenizer import blank

sqlalchemy = pytest.importorskip("sqlalchemy", reason='needs "spacy_cardioner[omop]"')

NOTES = [
    (3, "Toma bisoprolol.\r\nNiega fiebre 🫀."),
    (1, 'Alérgico a "penicilina"; toma bisoprolol'),
    (2, None),
    (10, " \n"),
]
# The fields of the model that matter here, as its scripts for PostgreSQL have them.
CREATE_NOTE = "CREATE TABLE cdm.note (note_id integer NOT NULL, person_id integer, note_text text)"
CREATE_NOTE_NLP = """
CREATE TABLE cdm.note_nlp (
    note_nlp_id integer NOT NULL, note_id integer NOT NULL, section_concept_id integer NULL,
    snippet varchar(250) NULL, "offset" varchar(50) NULL, lexical_variant varchar(250) NOT NULL,
    note_nlp_concept_id integer NULL, note_nlp_source_concept_id integer NULL,
    nlp_system varchar(250) NULL, nlp_date date NOT NULL, nlp_datetime timestamp NULL,
    term_exists varchar(1) NULL, term_temporal varchar(50) NULL, term_modifiers varchar(2000) NULL)
"""


def fill(url: str) -> None:
    """A schema with the two tables, and notes in the first."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    with engine.begin() as connection:
        for statement in ("CREATE SCHEMA cdm", CREATE_NOTE, CREATE_NOTE_NLP):
            connection.execute(sqlalchemy.text(statement))
        for note_id, text in NOTES:
            connection.execute(
                sqlalchemy.text("INSERT INTO cdm.note VALUES (:note_id, 1, :text)"),
                {"note_id": note_id, "text": text},
            )


@pytest.fixture(scope="module")
def duckdb_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    pytest.importorskip("duckdb_engine", reason="needs duckdb-engine")
    url = f"duckdb:///{tmp_path_factory.mktemp('duckdb') / 'notes.duckdb'}"
    fill(url)
    return url


def postgres_programs() -> Path:
    """The folder with PostgreSQL's initdb and postgres."""
    found = [Path(program).resolve().parent for program in [shutil.which("initdb")] if program]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if wheel := find_spec("pgserver"):
        found += [
            Path(folder, "pginstall", "bin") for folder in wheel.submodule_search_locations or ()
        ]
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    pytest.skip("PostgreSQL is not installed: sh tests/install_postgres.sh installs it")


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of our own, in a folder of its own, that listens on this machine only."""
    pytest.importorskip("psycopg", reason='needs psycopg: pip install "psycopg[binary]"')
    programs = postgres_programs()
    folder = tmp_path_factory.mktemp("postgres")
    data = folder / "data"
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        users = [user for user in pwd.getpwall() if user.pw_name in ("postgres", "nobody")]
        if not users:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")
        user = max(users)  # of the two names
        for path in (folder, *folder.parents):
            if path.owner() != pwd.getpwuid(0).pw_name or path == Path("/"):
                break
            if path.name.startswith(("pytest-", "popen-", "postgres")):
                path.chmod(path.stat().st_mode | 0o011)
        os.chown(folder, user.pw_uid, user.pw_gid)
        options |= {"user": user.pw_uid, "group": user.pw_gid, "cwd": folder}
    initdb = [programs / "initdb", "-D", data, "-U", "reader", "-A", "trust", "-E", "UTF8"]
    try:
        made = subprocess.run(initdb, **options)
    except PermissionError:
        pytest.skip(f"the user {user.pw_name} may not run {initdb[0]}")
    if made.returncode:
        pytest.skip(f"initdb failed: {made.stdout[-300:]!r}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder],
        **{**options, "stdout": subprocess.DEVNULL},
    )
    try:
        url = f"postgresql+psycopg://reader:secret@127.0.0.1:{port}/postgres"
        wait_for(url, server)
        fill(url)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    import time

    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    for _ in range(300):
        assert server.poll() is None, "PostgreSQL stopped"
        try:
            engine.connect().close()
        except sqlalchemy.exc.OperationalError:
            time.sleep(0.2)
        else:
            return
    pytest.fail("PostgreSQL does not answer")


@pytest.fixture(params=["duckdb", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    name: str = request.getfixturevalue(f"{request.param}_url")
    return name


def test_notes_come_sorted_by_their_ids(url: str) -> None:
    source = open_source(url, table="cdm.note")
    notes = list(source)
    assert [note.id for note in notes] == ["1", "2", "3", "10"]
    assert [note.fault for note in notes] == ["", "no text (null)", "", "empty"]
    assert {int(note.id): note.text or None for note in notes} == {**dict(NOTES), 10: None}
    assert list(source.after(2)) == notes[2:]
    assert source.total == 4


def test_the_password_is_not_shown(postgres_url: str) -> None:
    source = open_source(postgres_url, table="cdm.note")
    assert "secret" not in str(source.describe())
    with pytest.raises(CardionerError) as caught:
        open_source(postgres_url, table="cdm.nota")
    assert "secret" not in str(caught.value)
    assert "cdm.nota" in str(caught.value)


def test_what_cannot_be_reached_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    for wrong, message in (
        (
            f"sqlite:///{tmp_path}/a.db",
            r"the table note \(--table\) cannot be read \(OperationalError",
        ),
        ("sqlight:///a.db", "not an address of a database"),
        ("://", "address"),
        ("postgresql+psycopg://x:secret@127.0.0.1:1/x", "127.0.0.1:1/x: the database cannot be"),
    ):
        with pytest.raises(CardionerError, match=message) as caught:
            open_source(wrong)
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value)


def annotate(url: str, out: Path) -> None:
    nlp = blank("es")
    drugs = ("bisoprolol", "penicilina")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "FARMACO", "pattern": d} for d in drugs])
    outputs = [Output(OutputFormat.omop, out)]
    summary = run(Job(open_source(url, table="cdm.note"), Settings(nlp), outputs))
    assert (summary.notes, summary.errors, summary.mentions) == (2, 2, 3)


def test_note_nlp_is_loaded_by_postgresql(postgres_url: str, tmp_path: Path) -> None:
    psycopg = pytest.importorskip("psycopg")
    out = tmp_path / "note_nlp.csv"
    annotate(postgres_url, out)
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        copy = "COPY cdm.note_nlp FROM STDIN WITH (FORMAT csv, HEADER)"
        with connection.cursor() as cursor:
            with cursor.copy(copy) as into:
                into.write(out.read_bytes())
            check(cursor)


def test_note_nlp_is_loaded_by_duckdb(duckdb_url: str, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    out = tmp_path / "note_nlp.csv"
    annotate(duckdb_url, out)
    with duckdb.connect(duckdb_url.removeprefix("duckdb:///")) as connection:
        connection.execute(f"COPY cdm.note_nlp FROM '{out}' (HEADER)")
        check(connection)


def check(database: Any) -> None:
    """Whether each row names the characters that stand in its note."""
    database.execute(
        'SELECT count(*), sum(CASE WHEN substr(note_text, CAST("offset" AS integer) + 1, '
        "length(lexical_variant)) = lexical_variant THEN 1 ELSE 0 END), max(note_nlp_id) "
        "FROM cdm.note_nlp JOIN cdm.note USING (note_id)"
    )
    assert database.fetchone() == (3, 3, 3)
