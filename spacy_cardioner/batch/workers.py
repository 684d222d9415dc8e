"""Worker processes that share the notes. A worker that dies or hangs is replaced."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from spacy_cardioner.batch.engine import Annotated, Annotator, batches
from spacy_cardioner.batch.readers.base import SourceNote
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.errors import CardionerError, guard_warnings
from spacy_cardioner.loading import identity, one_thread

# How often a note is tried if its worker dies: the system may have killed it for lack of memory
# that other processes took.
TRIES = 2

_TICK, _DONE, _FAULT = "tick", "done", "fault"


@dataclass(eq=False)
class _Task:
    """A batch of notes and its result."""

    notes: list[SourceNote]
    found: list[Annotated] | None = None
    tries: int = 0


class Pool:
    """Worker processes, each with the pipeline and one thread. The order of notes is kept.

    Processes are spawned, because a fork of a process with threads may hang. Each has its own
    connection, because a shared queue stays locked when the worker that holds the lock is killed.

    RAISES (CardionerError): The pipeline cannot be loaded, or a worker dies while loading it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.identity: dict[str, Any] = {}
        self._workers: list[_Worker] = []
        # Batches in the order of the notes, and those among them that no worker has.
        self._order: deque[_Task] = deque()
        self._waiting: deque[_Task] = deque()

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
        """Annotate notes. A note that kills its worker or exceeds the timeout gets a fault.

        YIELDS (Annotated): The notes in the given order.
        """
        unread = batches(notes, self.settings.batch_size)
        self._order.clear()
        self._waiting.clear()
        while True:
            self._hand_out(unread)
            while self._order and self._order[0].found is not None:
                yield from self._order.popleft().found or ()
                self._hand_out(unread)
            if not self._order:
                return
            self._collect()

    def _hand_out(self, unread: Iterator[list[SourceNote]]) -> None:
        """Give each idle worker a batch: one to be repeated, or the next."""
        for worker in self._workers:
            if worker.task is None:
                self._read(unread)
                if self._waiting:
                    worker.give(self._waiting.popleft())
        self._read(unread)  # ahead, so that no worker has to wait for a file

    def _read(self, unread: Iterator[list[SourceNote]]) -> None:
        ahead = 4 * len(self._workers)  # batches in memory, finished ones included
        if not self._waiting and len(self._order) < ahead and (batch := next(unread, None)):
            task = _Task(batch)
            self._order.append(task)
            self._waiting.append(task)

    def _collect(self) -> None:
        """Wait for a message of a worker, and replace workers that died or exceeded the timeout."""
        busy = [worker for worker in self._workers if worker.task is not None]
        wait([worker.connection for worker in busy], timeout=min(self.settings.timeout, 1))
        for worker in busy:
            reason, tries = worker.receive(), TRIES
            task = worker.task
            if not reason and task and time.monotonic() - worker.last >= self.settings.timeout:
                reason, tries = f"not done after {self.settings.timeout:g} seconds", 1
            if reason:
                worker.end()
                fresh = _Worker(self.settings)
                self._workers[self._workers.index(worker)] = fresh
                fresh.ready()
                if task:  # it may have died right after it had finished
                    self._repeat(task, reason, tries)

    def _repeat(self, task: _Task, reason: str, tries: int) -> None:
        """Queue the batch of a lost worker again, note by note, to find the note at fault."""
        task.tries += 1
        if len(task.notes) > 1:
            place = self._order.index(task)
            del self._order[place]
            for note in reversed(task.notes):
                single = _Task([note])
                self._order.insert(place, single)
                self._waiting.appendleft(single)
        elif task.tries < tries:
            self._waiting.appendleft(task)
        else:
            task.found = [Annotated(note._replace(fault=reason), []) for note in task.notes]


class _Worker:
    """A process and its current task."""

    def __init__(self, settings: Settings) -> None:
        self.task: _Task | None = None
        self.last = time.monotonic()
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, settings), daemon=True)
        with one_thread():
            self.process.start()
        theirs.close()

    def ready(self) -> dict[str, Any]:
        """Wait until the pipeline is loaded. RETURNS (dict[str, Any]): Its identity."""
        try:
            kind, message = self.connection.recv()
        except (EOFError, OSError) as error:
            self.process.join(5)
            raise CardionerError(
                f"a worker process died while it loaded the pipeline ({self._death()})"
            ) from error
        if kind == _FAULT:
            raise CardionerError(*message)
        return message

    def give(self, task: _Task) -> None:
        """Send a batch of notes."""
        self.task = task
        self.last = time.monotonic()
        try:
            self.connection.send(task.notes)
        except OSError:
            pass  # it has died, which `receive` will report

    def receive(self) -> str:
        """Receive all messages. RETURNS (str): How the process died, or ""."""
        try:
            while self.connection.poll():
                kind, message = self.connection.recv()
                self.last = time.monotonic()
                if kind == _FAULT:
                    raise CardionerError(*message)
                if kind == _DONE and self.task is not None:
                    self.task.found, self.task = message, None
        except (EOFError, OSError):
            self.process.join(5)
            return f"a worker process died on it ({self._death()})"
        return ""

    def end(self) -> None:
        """Kill the process."""
        self.connection.close()
        self.process.kill()
        self.process.join()

    def _death(self) -> str:
        code = self.process.exitcode
        return f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name


def _work(connection: Connection, settings: Settings) -> None:
    """Annotate batches until the connection is closed."""
    # Ctrl-C reaches all processes of a terminal; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    guard_warnings()
    try:
        annotator = Annotator(settings, tick=lambda: connection.send((_TICK, None)))
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(1)
        connection.send((_DONE, identity(annotator.nlp)))
        while True:
            connection.send((_DONE, annotator(connection.recv())))
    except CardionerError as error:
        connection.send((_FAULT, error.args))
    except (EOFError, OSError):
        return  # the parent has closed the connection
