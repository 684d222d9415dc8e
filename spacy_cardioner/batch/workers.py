"""Worker processes that share the notes. A worker that dies or hangs is replaced.

A worker loads the pipeline, and then waits for a batch or annotates one. Its messages change its
state as `NEXT` has it. Any other message, half a message, none in time, or the end of its process
mean that it is lost, in every state: another worker takes its place, and its batch is done again.
Nothing here waits for a single worker, neither while it loads nor while it reads or writes.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeAlias, TypeVar

from spacy_cardioner.batch.engine import Annotated, Annotator, batches, unchanged
from spacy_cardioner.batch.readers.note import SourceNote
from spacy_cardioner.batch.settings import TIMEOUT, Settings
from spacy_cardioner.errors import CardionerError, reason
from spacy_cardioner.processes import SPAWN, death, one_thread, prepare

# How often a note is tried if its worker dies: the system may have killed it for lack of memory
# that other processes took.
TRIES = 2
# How often in a row a worker may die while it loads the pipeline, and how long loading may take.
LOADS = 3
LOAD_SECONDS = TIMEOUT
# How long the end of a process is waited for.
END_SECONDS = 1.0


class State(Enum):
    """What a worker does."""

    LOADING = "loading"
    IDLE = "idle"
    BUSY = "busy"


class Message(Enum):
    """What a worker tells, or what has become of it."""

    LOADED = "loaded"
    TICK = "tick"
    DONE = "done"
    FAULT = "fault"  # the user's: it ends the run
    LOST = "lost"


NEXT = {
    (State.LOADING, Message.LOADED): State.IDLE,
    (State.BUSY, Message.TICK): State.BUSY,
    (State.BUSY, Message.DONE): State.IDLE,
}


@dataclass(eq=False)
class Task:
    """A batch of notes and its result."""

    notes: list[SourceNote]
    found: list[Annotated] | None = None
    tries: int = 0

    @property
    def content(self) -> Any:
        """What a worker receives."""
        return self.notes


Self = TypeVar("Self", bound="Workers")


class Workers:
    """Worker processes, each with one thread. A subclass says what they do, and with what.

    Each worker has its own connection, because a shared queue stays locked when the process that
    holds the lock is killed.

    settings (Any): What each worker is started with; `workers` of it is their number, and `timeout`
        the seconds without a sign of life after which one is lost.
    RAISES (CardionerError): The pipeline cannot be loaded, or workers die while they load it.
    """

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        self.identity: dict[str, Any] = {}
        self._workers: list[_Worker] = []
        self._events: _Events = SimpleQueue()

    @property
    def work(self) -> Callable[[Connection, Any], None]:
        """The function that a worker process runs."""
        return _work

    def __enter__(self: Self) -> Self:
        try:
            for _ in range(self.settings.workers):
                self._workers.append(_Worker(self.settings, self._events, 1, self.work))
            while any(worker.state is State.LOADING for worker in self._workers):
                self._collect()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.end()

    def _collect(self) -> None:
        """Wait for messages, and replace workers that died or hang."""
        timeout = min(self.settings.timeout, 1)
        with suppress(Empty):
            while True:
                self._receive(*self._events.get(timeout=timeout))
                timeout = 0
        for worker in list(self._workers):
            limit = self.settings.timeout
            if worker.state is State.LOADING:
                limit = max(limit, LOAD_SECONDS)
            if worker.state is not State.IDLE and time.monotonic() - worker.last >= limit:
                self._replace(worker, f"not done after {limit:g} seconds", overdue=True)

    def _receive(self, worker: _Worker, message: Message, content: Any) -> None:
        if worker not in self._workers:  # it is replaced already
            return
        if message is Message.FAULT:
            raise CardionerError(*content)
        state = NEXT.get((worker.state, message))
        if state is None:
            self._replace(worker, worker.how_it_ended())
            return
        worker.state = state
        if message is Message.LOADED:
            self.identity = unchanged(self.identity, content)
        elif message is Message.DONE and worker.task:
            task, worker.task = worker.task, None
            self._done(task, content)

    def _replace(self, worker: _Worker, why: str, *, overdue: bool = False) -> None:
        """Start another worker in place of a lost one, and repeat its batch."""
        worker.end()
        loads = worker.loads + 1 if worker.state is State.LOADING else 1
        if loads > LOADS:
            raise CardionerError(
                f"a worker process died while it loaded the pipeline, {LOADS} times ({why}); "
                "a process that is killed often lacks memory: use fewer workers"
            )
        place = self._workers.index(worker)
        self._workers[place] = _Worker(self.settings, self._events, loads, self.work)
        fault, tries = (why, 1) if overdue else (f"a worker process died on it ({why})", TRIES)
        if worker.task:
            self._repeat(worker.task, fault, tries)

    def _repeat(self, task: Task, fault: str, tries: int) -> None:
        """Do the task of a lost worker again, unless it was tried so often: then it has a fault."""
        raise NotImplementedError

    def _done(self, task: Task, found: list[Annotated]) -> None:
        """Take the result of a task."""
        task.found = found


class Pool(Workers):
    """Worker processes, each with the pipeline and one thread. The order of notes is kept."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        # Batches in the order of the notes, and those among them that no worker has.
        self._order: deque[Task] = deque()
        self._waiting: deque[Task] = deque()

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
            if worker.state is State.IDLE:
                self._read(unread)
                if self._waiting:
                    worker.give(self._waiting.popleft())
        self._read(unread)  # ahead, so that no worker has to wait for a file

    def _read(self, unread: Iterator[list[SourceNote]]) -> None:
        ahead = 4 * len(self._workers)  # batches in memory, finished ones included
        if not self._waiting and len(self._order) < ahead and (batch := next(unread, None)):
            task = Task(batch)
            self._order.append(task)
            self._waiting.append(task)

    def _repeat(self, task: Task, fault: str, tries: int) -> None:
        """Queue the batch of a lost worker again, note by note, to find the note at fault."""
        if task not in self._order:  # of an iterator that was given up
            return
        task.tries += 1
        if len(task.notes) > 1:
            place = self._order.index(task)
            del self._order[place]
            for note in reversed(task.notes):
                single = Task([note])
                self._order.insert(place, single)
                self._waiting.appendleft(single)
        elif task.tries < tries:
            self._waiting.appendleft(task)
        else:
            task.found = [Annotated(note._replace(fault=fault), []) for note in task.notes]


class _Worker:
    """A process, its state and its current task.

    A thread listens to the process, and another sends it a batch, because either may block: the
    process may have stopped amid a message.

    loads (int): How many workers in this place have begun to load the pipeline.
    work (Callable): What the process runs.
    """

    def __init__(
        self,
        settings: Any,
        events: _Events,
        loads: int,
        work: Callable[[Connection, Any], None],
    ) -> None:
        self.state = State.LOADING
        self.task: Task | None = None
        self.loads = loads
        self.last = time.monotonic()
        self.connection, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=work, args=(theirs, settings), daemon=True)
        with one_thread():
            self.process.start()
        theirs.close()
        self._threads = [self._start(self._listen, events)]

    def give(self, task: Task) -> None:
        """Send a batch of notes."""
        self.state, self.task, self.last = State.BUSY, task, time.monotonic()
        self._threads[1:] = [self._start(self._send, task.content)]

    def how_it_ended(self) -> str:
        """Why the process can no longer be used."""
        self.process.join(END_SECONDS)
        return "invalid answer" if self.process.is_alive() else death(self.process)

    def end(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.join(END_SECONDS)
        for thread in self._threads:
            thread.join(END_SECONDS)
        # Otherwise a process that it has started holds the other end, and the thread still reads.
        if not any(thread.is_alive() for thread in self._threads):
            self.connection.close()

    def _start(self, function: Callable[[Any], None], argument: Any) -> Thread:
        thread = Thread(target=function, args=(argument,), daemon=True)
        thread.start()
        return thread

    def _listen(self, events: _Events) -> None:
        try:
            while True:
                message, content = self.connection.recv()
                self.last = time.monotonic()
                events.put((self, Message(message), content))
        except Exception:  # it has died, or what it sent is no message
            events.put((self, Message.LOST, None))

    def _send(self, content: Any) -> None:
        with suppress(OSError):  # it has died, which the other thread tells
            self.connection.send(content)


_Events: TypeAlias = "SimpleQueue[tuple[_Worker, Message, Any]]"


def _work(connection: Connection, settings: Settings) -> None:
    """Annotate batches until the connection is closed."""
    prepare()
    try:
        annotator = Annotator(settings, tick=lambda: connection.send((Message.TICK, None)))
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(1)
        connection.send((Message.LOADED, annotator.identity))
        while True:
            connection.send((Message.DONE, annotator(connection.recv())))
    except CardionerError as error:
        connection.send((Message.FAULT, error.args))
    except (EOFError, OSError):
        return  # the parent has closed the connection
    except Exception as error:
        connection.send((Message.FAULT, (f"a worker process failed ({reason(error)})",)))
