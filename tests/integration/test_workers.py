"""Worker processes, and annotating from Python: order is kept, and no worker is missed for long."""

from __future__ import annotations

import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import spacy

import spacy_cardioner
from spacy_cardioner.batch import workers
from spacy_cardioner.batch.engine import Annotated, started
from spacy_cardioner.batch.mentions import Mention
from spacy_cardioner.batch.readers import SourceNote
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.workers import Message
from spacy_cardioner.errors import CardionerError

# A component as another package brings it, which does to its process what a text says.
MISBEHAVE = """
import os, signal, time
from pathlib import Path
from spacy.language import Language

@Language.factory("misbehave", default_config={"folder": ""})
def make(nlp, name, folder):
    def loop(where):
        (Path(folder) / where).touch()
        while True:
            pass

    if os.environ.get("MISBEHAVE") == "loading":
        loop("loading")

    def misbehave(doc):
        if "loop" in doc.text:
            loop("busy")
        if "once" in doc.text and not (Path(folder) / "died").exists():
            (Path(folder) / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if "sleep" in doc.text:
            time.sleep(1000)
        return doc
    return misbehave
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A saved pipeline that finds "fiebre"."""
    folder = tmp_path_factory.mktemp("misbehave")
    site = folder / "site"
    info = site / "misbehave-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "misbehave.py").write_text(MISBEHAVE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehave\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[spacy_factories]\nmisbehave = misbehave:make\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        __import__("misbehave")
        nlp = spacy.blank("es")
        nlp.add_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": "fiebre"}])
        nlp.add_pipe("misbehave", config={"folder": str(folder)})
        nlp.to_disk(folder / "model")
        yield str(folder / "model")


def settings(model: str, **options: Any) -> Settings:
    return Settings(model, **{"batch_size": 3, "workers": 2, **options})


def test_order_is_kept_and_lost_workers_are_replaced(model: str) -> None:
    texts = [f"fiebre {i}" for i in range(20)]
    texts[4] += " once"
    notes = [SourceNote(str(i), text) for i, text in enumerate(texts)]
    notes.insert(11, SourceNote("bad", "", "no text (null)"))
    notes.append(SourceNote("stuck", "fiebre sleep"))
    with started(settings(model, timeout=4)) as (annotate, identity):
        found = list(annotate(iter(notes)))
    assert identity["name"] == "es_pipeline"
    assert [one.note.id for one in found] == [note.id for note in notes]
    faults = {one.note.id: one.note.fault for one in found if one.note.fault}
    assert faults == {
        "bad": "no text (null)",
        "stuck": "not done after 4 seconds",
    }
    assert all(len(one.mentions) == (not one.note.fault) for one in found)


# What a worker does when it misbehaves, and where: each pair is tried.
DEEDS = ("dies", "hangs", "closes", "garbage", "half")
PLACES = ("loading", "idle", "busy", "answered")


def scripted(connection: Connection, settings: Settings) -> None:
    """A worker that follows a script: which deeds to do where, each by one worker."""
    folder = Path(str(settings.model))
    script = [step.split() for step in (folder / "script").read_text().splitlines()]

    def at(place: str) -> None:
        for number, (where, deed) in enumerate(script):
            with suppress(FileExistsError):
                if where == place:
                    (folder / str(number)).touch(exist_ok=False)
                    misbehave(deed)
                    return

    def misbehave(deed: str) -> None:
        if deed == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        elif deed == "garbage":
            connection.send_bytes(b"what is this")
        elif deed == "half":
            os.write(connection.fileno(), struct.pack("!i", 1000) + b"half")
        elif deed == "closes":
            connection.close()
        time.sleep(1000)

    at("loading")
    name = folder / "name"
    loaded = {"name": name.read_text() if name.exists() else "scripted"}
    connection.send((Message.LOADED, loaded))
    at("idle")
    while True:
        notes = connection.recv()
        at("busy")
        connection.send((Message.TICK, None))
        mention = Mention(0, 6, "X", "fiebre")
        connection.send((Message.DONE, [Annotated(note, [mention]) for note in notes]))
        at("answered")


@pytest.fixture
def follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """A function that makes workers follow a script. They are forked, which is fast."""
    monkeypatch.setattr(workers, "SPAWN", multiprocessing.get_context("fork"))
    monkeypatch.setattr(workers, "_work", scripted)
    monkeypatch.setattr(workers, "LOAD_SECONDS", 1.2)
    monkeypatch.setattr(workers, "END_SECONDS", 0.2)

    def write(*steps: str, **options: Any) -> Settings:
        (tmp_path / "script").write_text("\n".join(steps))
        return settings(str(tmp_path), **{"timeout": 1.2, "batch_size": 40, **options})

    return write


# Longer than what a pipe holds, so that a worker that does not read blocks whoever writes.
NOTES = [SourceNote(str(i), "fiebre" + " " * 10_000) for i in range(160)]


def follows(chosen: Settings) -> list[SourceNote]:
    before = threading.active_count()
    with started(chosen) as (annotate, identity):
        assert identity["name"] == "scripted"
        found = list(annotate(NOTES))
    assert all(len(one.mentions) == (not one.note.fault) for one in found)
    assert not processes()
    assert threading.active_count() == before
    return [one.note for one in found]


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("place", PLACES)
def test_a_worker_may_be_lost_in_every_state(
    place: str, deed: str, follow: Callable[..., Settings]
) -> None:
    assert follows(follow(f"{place} {deed}")) == NOTES


@pytest.mark.parametrize("deed", DEEDS)
def test_a_worker_may_be_lost_that_replaces_another(
    deed: str, follow: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def count(*arguments: Any) -> None:
        begun.append(arguments)
        worker(*arguments)

    worker = workers._Worker.__init__
    monkeypatch.setattr(workers._Worker, "__init__", count)
    steps = ("busy dies", f"replacing {deed}", f"replacing {deed}")
    chosen = follow(*steps, workers=1)
    script = Path(str(chosen.model)) / "script"
    first = script.read_text()

    def notes() -> Iterator[SourceNote]:
        # Once the first worker has loaded, the next ones misbehave.
        script.write_text(first.replace("replacing", "loading"))
        yield from NOTES

    with started(chosen) as (annotate, _):
        assert [one.note for one in annotate(notes())] == NOTES
    assert len(begun) == 1 + 3


def test_a_worker_with_another_pipeline_than_the_first_ends_the_run(
    follow: Callable[..., Settings],
) -> None:
    chosen = follow("busy dies", workers=1)

    def notes() -> Iterator[SourceNote]:
        Path(str(chosen.model), "name").write_text("another")
        yield from NOTES

    with started(chosen) as (annotate, _), pytest.raises(CardionerError, match="during the run"):
        list(annotate(notes()))


def test_workers_that_die_again_and_again_while_they_load_end_the_run(
    follow: Callable[..., Settings],
) -> None:
    with (
        pytest.raises(CardionerError, match=r"died while it loaded .*, 3 times \(SIGKILL\)"),
        started(follow(*["loading dies"] * 9)),
    ):
        pass
    assert not processes()
    with (
        pytest.raises(CardionerError, match=r"3 times \(not done after 1.2 seconds\)"),
        started(follow(*["loading hangs"] * 20, workers=1)),
    ):
        pass


def test_the_others_work_while_a_replacement_loads(follow: Callable[..., Settings]) -> None:
    chosen = follow("busy dies", "replacing hangs", batch_size=8)
    script = Path(str(chosen.model)) / "script"
    seen: list[float] = []
    with started(chosen) as (annotate, _):
        script.write_text(script.read_text().replace("replacing", "loading"))
        start = time.monotonic()
        for _ in annotate(NOTES):
            seen.append(time.monotonic() - start)
    assert len(seen) == len(NOTES)
    assert seen[-1] < 1.2  # when the replacement is given up


def test_a_note_at_which_workers_die_twice_is_at_fault(follow: Callable[..., Settings]) -> None:
    found = follows(follow(*["busy dies"] * 3, workers=1, batch_size=200))
    assert [note.fault for note in found if note.fault] == ["a worker process died on it (SIGKILL)"]
    assert [note.id for note in found] == [note.id for note in NOTES]


def test_a_worker_may_be_lost_whose_notes_nobody_wants_any_more(
    follow: Callable[..., Settings],
) -> None:
    with started(follow("busy hangs")) as (annotate, _):
        next(annotate(NOTES))
        assert [one.note for one in annotate(NOTES)] == NOTES


ORPHANS = """
import multiprocessing, sys, time, threading
from spacy_cardioner.batch.engine import Annotated, started
from spacy_cardioner.batch.readers import SourceNote
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.workers import Message

def run():
    with started(Settings(sys.argv[1], batch_size=1, workers=2)) as (annotate, _):
        list(annotate([SourceNote("a", "loop")]))

if __name__ == "__main__":
    threading.Thread(target=run, daemon=True).start()
    while len(children := multiprocessing.active_children()) < 2:
        time.sleep(0.01)
    print(*(child.pid for child in children), flush=True)
    time.sleep(1000)
"""


@pytest.mark.parametrize("where", ["loading", "busy"])
def test_workers_end_when_their_parent_is_killed(
    where: str, model: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("MISBEHAVE", where)
    parent = subprocess.Popen([sys.executable, script, model], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    children = [int(child) for child in parent.stdout.readline().split()]
    at_work = Path(model).parent / where
    until(at_work.exists)  # one computes for ever, and the other one may do so or be idle
    assert all(map(running, children))
    parent.kill()
    parent.wait()
    until(lambda: not any(map(running, children)), 5)


def running(pid: int) -> bool:
    with suppress(OSError):
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    return False


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_notes_are_read_as_they_are_needed_and_no_process_stays(model: str) -> None:
    taken = 0

    def notes() -> Any:
        nonlocal taken
        for taken in range(1, 1000):
            yield SourceNote(str(taken), "fiebre")

    with started(settings(model)) as (annotate, _):
        assert next(annotate(notes())).note.id == "1"
        children = processes()
        assert len(children) >= 2
    assert taken <= 30
    until(lambda: not processes() & children)


def test_a_batch_is_read_while_the_worker_is_busy(model: str) -> None:
    taken = []

    def notes() -> Iterator[SourceNote]:
        for number in range(9):
            taken.append(number)
            yield SourceNote(str(number), "fiebre")

    with started(settings(model, workers=1, batch_size=1)) as (annotate, _):
        next(annotate(notes()))
        # One is done, one was handed out as it was, and one is ready for the worker.
        assert taken == [0, 1, 2]


def processes() -> set[str]:
    """The workers of this process."""
    return {str(child.pid) for child in multiprocessing.active_children()}


def test_a_pipeline_that_workers_cannot_load_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(CardionerError, match="^es_nowhere: neither"),
        started(settings("es_nowhere")),
    ):
        pass


def nlp() -> spacy.Language:
    nlp = spacy.blank("es")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": "fiebre"}])
    return nlp


FIEBRE = Mention(4, 10, "X", "fiebre")


@pytest.mark.parametrize(
    "notes, ids",
    [
        (["sin fiebre", None, "", "\n"], ["0", "1"]),
        ([("a", "sin fiebre"), ("b", None)], ["a", "b"]),
        ([{"ID": 7, "texto": "sin fiebre"}, {"ID": 8}], ["7", "8"]),
        ([{"texto": "sin fiebre"}, {}], ["0", "1"]),
        ([SourceNote("a", "sin fiebre"), SourceNote("b", "", "no text (null)")], ["a", "b"]),
    ],
)
def test_from_python_over_any_iterable(notes: list[Any], ids: list[str]) -> None:
    good, bad, *empty = spacy_cardioner.annotate(iter(notes), nlp())
    assert [one.note.fault for one in empty] == ["empty"] * (len(notes) - 2)
    assert good[1:3] == ([FIEBRE], None)
    assert good.note[:3] == (ids[0], "sin fiebre", "")
    assert bad[1:3] == ([], None)
    assert bad.note[:3] == (ids[1], "", "no text (null)")


def test_from_python_over_a_pandas_frame() -> None:
    pd = pytest.importorskip("pandas", reason='needs "spacy_cardioner[spark]"')
    texts = ["sin fiebre", None, "bien", " "]
    notes = pd.DataFrame({"id": [7, 8, 9, 10], "informe": texts})
    found = spacy_cardioner.annotate(notes, nlp(), text="informe")
    assert list(found.columns) == [
        *("note_id", "start", "end", "label", "text", "score", "kb_id", "vocabulary", "match"),
        *("section", "negated", "uncertain", "historical", "hypothetical", "family", "allergy"),
        "error",
    ]
    assert list(found.note_id) == ["7", "8", "10"]
    assert found.iloc[0].dropna().to_dict() == {
        **{"note_id": "7", "start": 4, "end": 10, "label": "X", "text": "fiebre"}
    }
    assert found.iloc[1].dropna().to_dict() == {"note_id": "8", "error": "no text (null)"}
    assert found.iloc[2].dropna().to_dict() == {"note_id": "10", "error": "empty"}
    assert len(spacy_cardioner.annotate(notes[:0], nlp(), text="informe")) == 0


def test_from_python_wrong_use_is_said() -> None:
    with pytest.raises(CardionerError, match="its name or its folder"):
        spacy_cardioner.annotate(["a"], nlp(), workers=2)
    with pytest.raises(CardionerError, match="which column has the texts"):
        list(spacy_cardioner.annotate([{"x": "a"}], nlp()))


def test_annotate_is_a_function_that_imports_spacy_when_it_runs() -> None:
    code = (
        "import sys, types; from spacy_cardioner import annotate; "
        "assert isinstance(annotate, types.FunctionType); assert 'spacy' not in sys.modules; "
        "print(annotate.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "spacy_cardioner.batch.api\n", done.stderr
