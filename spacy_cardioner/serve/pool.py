"""Hands the notes of many requests to worker processes, in small batches.

The notes wait in one queue. A worker that is idle gets the first of them, and with it others that
want the same: a batch takes less time than its notes one by one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

from spacy_cardioner.batch.engine import Annotated
from spacy_cardioner.batch.readers.note import SourceNote
from spacy_cardioner.batch.workers import Message, State, Task, Workers, _Worker
from spacy_cardioner.errors import CardionerError, reason
from spacy_cardioner.serve.settings import Service
from spacy_cardioner.serve.worker import Choice, work

# Most notes of a batch, and its characters. Larger ones are no faster, and a worker that has all
# that waits leaves single notes for the next.
BATCH = 8
BATCH_CHARACTERS = 50_000
STOPPING = "the service is stopping"


@dataclass(eq=False)
class Ticket:
    """A note in the queue.

    answer (asyncio.Future[Annotated]): Done when the note is annotated, or cancelled by whoever
        wanted it.
    tries (int): How many workers were lost while they had it alone.
    alone (bool): Whether it is annotated alone, as a worker was lost that had it with others.
    """

    note: SourceNote
    choice: Choice
    answer: asyncio.Future[Annotated]
    tries: int = 0
    alone: bool = False


@dataclass(eq=False)
class Batch(Task):
    """Notes that a worker annotates together."""

    tickets: list[Ticket] = field(default_factory=list)

    @property
    def content(self) -> tuple[Choice, list[SourceNote]]:
        """What a worker receives."""
        return self.tickets[0].choice, self.notes


class Dispatcher(Workers):
    """The worker processes of a service, and the thread that hands out notes.

    Notes are submitted from the event loop; all else is done by the thread.

    failed (Callable[[], None]): Called by the thread when it cannot go on. `fault` says why.
    RAISES (CardionerError): A pipeline cannot be loaded, or workers die while they load it.
    """

    def __init__(self, service: Service, failed: Callable[[], None] = lambda: None) -> None:
        super().__init__(service)
        self.failed = failed
        self.fault: CardionerError | None = None
        self.pending = 0
        self.replaced = 0
        self._room = asyncio.Event()
        self._room.set()
        self._queue: deque[Ticket] = deque()
        self._stopped = False
        self._thread = Thread(target=self._run, daemon=True)

    @property
    def work(self) -> Callable[[Connection, Any], None]:
        """The function that a worker process runs."""
        return work

    def __enter__(self) -> Dispatcher:
        super().__enter__()
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopped = True
        if self._thread.is_alive():
            self._wake()
            self._thread.join()
        super().__exit__()

    @property
    def pipelines(self) -> list[dict[str, Any]]:
        """What each pipeline can do, see `worker.Annotators.describe`."""
        return self.identity["pipelines"]

    @property
    def ready(self) -> int:
        """How many workers have loaded their pipelines."""
        if self.fault or self._stopped:
            return 0
        return sum(worker.state is not State.LOADING for worker in self._workers)

    def has_room(self, notes: int) -> bool:
        """Whether the queue takes so many more notes."""
        return self.pending + notes <= self.settings.queue

    async def room(self) -> None:
        """Wait until the queue takes a note."""
        await self._room.wait()

    def submit(
        self, notes: Iterable[SourceNote], choice: Choice
    ) -> list[asyncio.Future[Annotated]]:
        """Queue notes.

        RETURNS (list[asyncio.Future[Annotated]]): The annotated notes. To cancel one takes its note
            out of the queue.
        """
        loop = asyncio.get_running_loop()
        tickets = [Ticket(note, choice, loop.create_future()) for note in notes]
        for ticket in tickets:
            ticket.answer.add_done_callback(self._left)
        self.pending += len(tickets)
        if not self.has_room(1):
            self._room.clear()
        if self.fault or self._stopped:
            self._settle([(ticket, STOPPING) for ticket in tickets])
        else:
            self._queue.extend(tickets)
            self._wake()
        return [ticket.answer for ticket in tickets]

    def _left(self, _: asyncio.Future[Annotated]) -> None:
        self.pending -= 1
        if self.has_room(1):
            self._room.set()

    def _wake(self) -> None:
        self._events.put((None, Message.TICK, None))  # type: ignore[arg-type]

    def _run(self) -> None:
        try:
            while not self._stopped:
                self._hand_out()
                self._collect()
        except Exception as error:
            fault = f"the workers cannot go on ({reason(error)})"
            self.fault = error if isinstance(error, CardionerError) else CardionerError(fault)
        held = [w.task for w in self._workers if isinstance(w.task, Batch)]
        left = [ticket for batch in held for ticket in batch.tickets]
        self._answer([(ticket, STOPPING) for ticket in (*left, *self._queue)])
        if self.fault:
            self.failed()

    def _hand_out(self) -> None:
        for worker in self._workers:
            if worker.state is State.IDLE and (batch := self._next_batch()):
                worker.give(batch)

    def _next_batch(self) -> Batch | None:
        """The first note of the queue, and those that want the same: an idle worker's share."""
        idle = sum(worker.state is State.IDLE for worker in self._workers)
        size = min(BATCH, -(-len(self._queue) // max(idle, 1)))
        chosen: list[Ticket] = []
        others: list[Ticket] = []
        characters = 0
        for _ in range(len(self._queue)):
            ticket = self._queue.popleft()
            if ticket.answer.done():  # nobody waits for it
                continue
            if not chosen or _together(chosen[0], ticket):
                chosen.append(ticket)
                characters += len(ticket.note.text)
            else:
                others.append(ticket)
            if chosen[0].alone or len(chosen) == size or characters >= BATCH_CHARACTERS:
                break
        self._queue.extendleft(reversed(others))
        return Batch([ticket.note for ticket in chosen], tickets=chosen) if chosen else None

    def _replace(self, worker: _Worker, why: str, *, overdue: bool = False) -> None:
        self.replaced += 1
        super()._replace(worker, why, overdue=overdue)

    def _repeat(self, task: Task, fault: str, tries: int) -> None:
        """Queue the notes of a lost worker again, each alone, to find the one at fault."""
        assert isinstance(task, Batch)
        at_fault = []
        for ticket in reversed(task.tickets):
            ticket.tries += len(task.tickets) == 1
            ticket.alone = True
            if ticket.tries < tries:
                self._queue.appendleft(ticket)
            else:
                at_fault.append((ticket, fault))
        self._answer(at_fault)

    def _done(self, task: Task, found: list[Annotated]) -> None:
        assert isinstance(task, Batch)
        self._answer(list(zip(task.tickets, found, strict=True)))

    def _answer(self, answers: Sequence[tuple[Ticket, Annotated | str]]) -> None:
        """Let the event loop have the answers."""
        if answers:
            with suppress(RuntimeError):  # the loop is closed
                answers[0][0].answer.get_loop().call_soon_threadsafe(self._settle, answers)

    def _settle(self, answers: Sequence[tuple[Ticket, Annotated | str]]) -> None:
        for ticket, answer in answers:
            if isinstance(answer, str):
                answer = Annotated(ticket.note._replace(fault=answer), [])
            if not ticket.answer.done():
                ticket.answer.set_result(answer)


def _together(first: Ticket, other: Ticket) -> bool:
    return other.choice == first.choice and not other.alone
