"""Notes that come a line at a time, and are answered a line at a time, in their order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

from starlette.requests import Request

from spacy_cardioner.batch.engine import Annotated
from spacy_cardioner.serve.answer import Renderer, to_json
from spacy_cardioner.serve.body import Bodies
from spacy_cardioner.serve.metrics import Metrics
from spacy_cardioner.serve.pool import Dispatcher
from spacy_cardioner.serve.request import Note, Options, Refused, Wanted, choose, parse, read_note

# Most notes of a stream that wait or are being annotated, and about their characters.
AHEAD = 64
AHEAD_CHARACTERS = 1_000_000


class _Line(NamedTuple):
    """A line that is to be answered: with a note, or an error."""

    answer: asyncio.Future[Annotated] | None
    wanted: Wanted | None
    footer: Mapping[str, Any]
    error: dict[str, Any]
    characters: int = 0


class Lines:
    """Answers the lines of a stream.

    A line that is no note, or asks for what the pipeline cannot do, is answered with its number and
    an error, and the stream goes on.
    """

    def __init__(
        self, request: Request, options: Options, bodies: Bodies, pool: Dispatcher, metrics: Metrics
    ) -> None:
        self.request = request
        self.options = options
        self.bodies = bodies
        self.pool = pool
        self.metrics = metrics
        self.renderers: dict[tuple[str, str], Renderer] = {}
        self.waiting: deque[_Line] = deque()

    async def answers(self) -> AsyncIterator[bytes]:
        """Read lines and answer them. Few notes are in memory at a time."""
        lines = self.bodies.lines(self.request).__aiter__()
        following: asyncio.Future[bytes] | None = None
        number, ended = 0, False
        try:
            while not ended or self.waiting:
                if following is None and not ended and self._has_room():
                    following = asyncio.ensure_future(lines.__anext__())
                first = self.waiting[0].answer if self.waiting else None
                if self.waiting and (first is None or first.done()):
                    yield self._answer(self.waiting.popleft())
                    continue
                awaited = {one for one in (first, following) if one is not None}
                await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
                if following is not None and following.done():
                    number += 1
                    try:
                        line = following.result()
                        self.waiting.append(await self._submit(line, number))
                    except StopAsyncIteration:
                        ended = True
                    except Refused as error:  # of the body: there is no next line
                        ended = True
                        self.waiting.append(_failed(number, error))
                    following = None
        finally:
            if following is not None:
                following.cancel()
            for left in self.waiting:
                if left.answer is not None:
                    left.answer.cancel()

    def _has_room(self) -> bool:
        characters = sum(line.characters for line in self.waiting)
        return len(self.waiting) < AHEAD and characters < AHEAD_CHARACTERS

    async def _submit(self, line: bytes, number: int) -> _Line:
        """Queue the note of a line."""
        try:
            note, footer = read_note(parse(Note, line), number, self.bodies.service)
            wanted = choose(self.options, [note.text], self.pool.pipelines)
        except Refused as error:
            return _failed(number, error)
        if note.fault:
            self.metrics.count(wanted.info["name"], [Annotated(note, [])])
            return _Line(None, None, {}, {"id": note.id, "error": note.fault})
        await self.pool.room()
        [answer] = self.pool.submit([note], wanted.choice)
        return _Line(answer, wanted, footer, {}, len(note.text))

    def _answer(self, line: _Line) -> bytes:
        if line.answer is None or line.wanted is None:
            return to_json(line.error) + b"\n"
        name = line.wanted.info["name"]
        key = (name, line.wanted.lang)
        render = self.renderers.setdefault(key, Renderer(line.wanted))
        found = line.answer.result()
        self.metrics.count(name, [found])
        about = {"pipeline": name, "lang": line.wanted.lang}
        return to_json({**render(found, line.footer), **about}) + b"\n"


def _failed(number: int, error: Refused) -> _Line:
    return _Line(None, None, {}, {"id": None, "line": number, "error": error.message})
