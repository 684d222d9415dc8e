"""Worker processes, and annotating from Python: order is kept, and no worker is missed for long."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy

import spacy_cardioner
from spacy_cardioner.batch import workers
from spacy_cardioner.batch.engine import started
from spacy_cardioner.batch.mentions import Mention
from spacy_cardioner.batch.readers import SourceNote
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.errors import CardionerError

# A component as another package brings it, which does to its process what a text says.
MISBEHAVE = """
import os, signal, time
from pathlib import Path
from spacy.language import Language

@Language.factory("misbehave", default_config={"folder": ""})
def make(nlp, name, folder):
    def misbehave(doc):
        if "once" in doc.text and not (Path(folder) / "died").exists():
            (Path(folder) / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if "always" in doc.text:
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
    texts[9] += " always"
    notes = [SourceNote(str(i), text) for i, text in enumerate(texts)]
    notes.insert(11, SourceNote("bad", "", "no text (null)"))
    notes.append(SourceNote("stuck", "fiebre sleep"))
    with started(settings(model, timeout=10)) as (annotate, identity):
        found = list(annotate(iter(notes)))
    assert identity["name"] == "es_pipeline"
    assert [one.note.id for one in found] == [note.id for note in notes]
    faults = {one.note.id: one.note.fault for one in found if one.note.fault}
    assert faults == {
        "9": "a worker process died on it (SIGKILL)",
        "bad": "no text (null)",
        "stuck": "not done after 10 seconds",
    }
    assert all(len(one.mentions) == (not one.note.fault) for one in found)


def test_a_worker_may_die_right_after_a_batch(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    receive, killed = workers._Worker.receive, []

    def receive_and_kill(worker: workers._Worker) -> str:
        died = receive(worker)
        if worker.task is None and not killed:
            killed.append(worker.process.pid)
            worker.process.kill()
            return "a worker process died"
        return died

    monkeypatch.setattr(workers._Worker, "receive", receive_and_kill)
    notes = [SourceNote(str(i), "fiebre") for i in range(12)]
    with started(settings(model)) as (annotate, _):
        found = list(annotate(notes))
    assert killed
    assert [one.note for one in found] == notes
    assert all(len(one.mentions) == 1 for one in found)


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
    deadline = time.monotonic() + 10
    while processes() & children and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes() & children


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
    import multiprocessing

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
    assert good[1:] == ([FIEBRE], None)
    assert good.note[:3] == (ids[0], "sin fiebre", "")
    assert bad[1:] == ([], None)
    assert bad.note[:3] == (ids[1], "", "no text (null)")


def test_from_python_over_a_pandas_frame() -> None:
    pd = pytest.importorskip("pandas", reason='needs "spacy_cardioner[spark]"')
    texts = ["sin fiebre", None, "bien", " "]
    notes = pd.DataFrame({"id": [7, 8, 9, 10], "informe": texts})
    found = spacy_cardioner.annotate(notes, nlp(), text="informe")
    assert list(found.columns) == [
        *("note_id", "start", "end", "label", "text", "score", "kb_id", "match", "section"),
        *("negated", "uncertain", "historical", "hypothetical", "family", "error"),
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
