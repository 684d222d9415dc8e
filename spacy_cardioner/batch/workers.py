"""Worker processes that share the notes out among them; one that dies or hangs is replaced."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from spacy_cardioner.batch.readers.base import SourceNote
from spacy_cardioner.batch.settings import Settings, make_annotator
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.loading import identity

if TYPE_CHECKING:
    from spacy_cardioner.batch.engine import Annotated

# How often a note is tried whose worker died: it may have been killed for another's hunger.
CHANCES = 2
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

_TICK, _DONE, _FAULT = "tick", "done", "fault"


@dataclass(eq=False)
class _Task:
    """A batch of notes, and what became of it."""

    notes: list[SourceNote]
    found: list[Annotated] | None = None
    tries: int = 0


class Pool:
    """Worker processes, each with the pipeline and one thread; notes keep their order.

    Processes are spawned: a fork of a program with threads may hang. Each has a connection of its
    own, as a queue that all share stays locked when the one that holds it is killed.

    settings (Settings): How the pipeline is to be run.
    RAISES (CardionerError): The pipeline cannot be loaded, or a worker dies before it is.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.identity: dict[str, Any] = {}
        self._workers: list[_Worker] = []

    def __enter__(self) -> Pool:
        try:
            self._workers = [_Worker(self.settings) for _ in range(self.settings.workers)]
            for worker in self._workers:
                self.identity = worker.ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        for worker in self._workers:
            worker.end()

    def __call__(self, notes: Iterable[SourceNote]) -> Iterator[Annotated]:
        """YIELDS (Annotated): Each note in its order. One that kills a worker, or hangs it for
        longer than the settings say, has that for a fault.
        """
        from spacy_cardioner.batch.engine import batches

        unread = batches(notes, self.settings.batch_size)
        order: deque[_Task] = deque()
        waiting: deque[_Task] = deque()
        ahead = 4 * len(self._workers)  # how many batches are held, done ones too
        while True:
            self._hand_out(unread, order, waiting, ahead)
            while order and order[0].found is not None:
                yield from order.popleft().found or ()
                self._hand_out(unread, order, waiting, ahead)
            if not order:
                return
            self._collect(order, waiting)

    def _hand_out(
        self,
        unread: Iterator[list[SourceNote]],
        order: deque[_Task],
        waiting: deque[_Task],
        ahead: int,
    ) -> None:
        """Give each idle worker a batch: one that has to be done again, else the next."""

        def read() -> None:
            if not waiting and len(order) < ahead and (batch := next(unread, None)):
                task = _Task(batch)
                order.append(task)
                waiting.append(task)

        for worker in self._workers:
            if worker.task is None:
                read()
                if waiting:
                    worker.give(waiting.popleft())
        read()  # while all are busy, so that no worker, nor its GPU, waits for a file

    def _collect(self, order: deque[_Task], waiting: deque[_Task]) -> None:
        """Wait until some worker has something to say, has died, or has been silent too long."""
        busy = [worker for worker in self._workers if worker.task is not None]
        wait([worker.connection for worker in busy], timeout=min(self.settings.timeout, 1))
        for worker in busy:
            died = worker.heard()
            reason = died or worker.stuck(self.settings.timeout)
            if reason:
                task = worker.task
                assert task is not None  # only busy workers are asked
                self._replace(worker)
                _again(task, reason, CHANCES if died else 1, order, waiting)

    def _replace(self, worker: _Worker) -> None:
        worker.end()
        fresh = _Worker(self.settings)
        self._workers[self._workers.index(worker)] = fresh
        fresh.ready()


def _again(
    task: _Task, reason: str, chances: int, order: deque[_Task], waiting: deque[_Task]
) -> None:
    """Put back a batch that cost a worker, note by note, to find the one that did it."""
    from spacy_cardioner.batch.engine import Annotated

    task.tries += 1
    if len(task.notes) > 1:
        place = order.index(task)
        del order[place]
        for note in reversed(task.notes):
            single = _Task([note])
            order.insert(place, single)
            waiting.appendleft(single)
    elif task.tries < chances:
        waiting.appendleft(task)
    else:
        task.found = [Annotated(note._replace(fault=reason), []) for note in task.notes]


class _Worker:
    """One process, and the task that it has."""

    def __init__(self, settings: Settings) -> None:
        self.task: _Task | None = None
        self.last = time.monotonic()
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, settings), daemon=True)
        with _one_thread():
            self.process.start()
        theirs.close()

    def ready(self) -> dict[str, Any]:
        """Wait until the pipeline is loaded, and give back its identity."""
        try:
            kind, said = self.connection.recv()
        except (EOFError, OSError) as error:
            self.process.join(5)
            raise CardionerError(
                f"a worker process died while it loaded the pipeline ({self._death()})"
            ) from error
        if kind == _FAULT:
            raise CardionerError(said)
        identity: dict[str, Any] = said
        return identity

    def give(self, task: _Task) -> None:
        """Hand it a batch of notes. A worker that has died meanwhile is found when it is asked."""
        self.task = task
        self.last = time.monotonic()
        try:
            self.connection.send(task.notes)
        except OSError:
            pass

    def heard(self) -> str:
        """Take what it has to say. RETURNS (str): How it died, or ""."""
        try:
            while self.connection.poll():
                kind, said = self.connection.recv()
                self.last = time.monotonic()
                if kind == _FAULT:
                    raise CardionerError(said)
                if kind == _DONE and self.task is not None:
                    self.task.found, self.task = said, None
        except (EOFError, OSError):
            self.process.join(5)
            return f"a worker process died on it ({self._death()})"
        return ""

    def stuck(self, timeout: float) -> str:
        """Why it is to be replaced if it has been silent for too long, or ""."""
        if self.task is None or time.monotonic() - self.last < timeout:
            return ""
        return f"not done after {timeout:g} seconds"

    def end(self) -> None:
        """Stop the process, whatever it does."""
        self.connection.close()
        self.process.kill()
        self.process.join()

    def _death(self) -> str:
        code = self.process.exitcode
        if code is None or code >= 0:
            return f"exit code {code}"
        return signal.Signals(-code).name


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started here compute with one thread: it is set before numpy is loaded."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(connection: Connection, settings: Settings) -> None:
    """What a worker does until its connection is closed."""
    # Ctrl-C goes to all processes of a terminal; the one that started this ends it in good order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _serve(connection, settings)
    except CardionerError as error:
        connection.send((_FAULT, str(error)))
    except (EOFError, OSError):
        return  # nobody listens any more


def _serve(connection: Connection, settings: Settings) -> None:
    annotator = make_annotator(settings, tick=lambda: connection.send((_TICK, None)))
    _limit_torch()
    connection.send((_DONE, identity(annotator.nlp)))
    while True:
        connection.send((_DONE, annotator(connection.recv())))


def _limit_torch() -> None:
    """One thread for torch too, if the pipeline has loaded it."""
    import sys

    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
