"""Bodies of requests: read within limits of size, time and memory; and answers that stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from spacy_cardioner.serve.request import Refused
from spacy_cardioner.serve.settings import BODIES, Service

T = TypeVar("T")


class Bodies:
    """Reads the bodies of requests.

    RAISES (Refused): One is too large or comes too slowly, or too many others are in memory.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.held = 0

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Take memory for so many bytes while a request is answered."""
        if self.held + size > BODIES * self.service.max_body:
            raise Refused(503, "too many large requests at a time: try again", retry=True)
        self.held += size
        try:
            yield
        finally:
            self.held -= size

    def check_length(self, request: Request) -> int:
        """The length that a request announces, or the longest one."""
        length = request.headers.get("content-length", "")
        announced = int(length) if length.isdigit() else self.service.max_body
        if announced > self.service.max_body:
            raise self._too_large()
        return announced

    async def read(self, request: Request) -> bytes:
        """The whole body."""
        content = bytearray()
        async for chunk in self.chunks(request):
            content += chunk
            self._check(content)
        return bytes(content)

    async def chunks(self, request: Request) -> AsyncIterator[bytes]:
        """The body as it comes."""
        stream = request.stream()
        while True:
            try:
                chunk = await asyncio.wait_for(stream.__anext__(), self.service.timeout)
            except StopAsyncIteration:
                return
            except (asyncio.TimeoutError, TimeoutError):
                raise Refused(408, "the body did not come in time") from None
            yield chunk

    async def lines(self, request: Request) -> AsyncIterator[bytes]:
        """The lines of the body, without empty ones. A line may have as many bytes as a body."""
        left = bytearray()
        async for chunk in self.chunks(request):
            *whole, rest = chunk.split(b"\n")
            for line in whole:
                left += line
                self._check(left)
                if left.strip():
                    yield bytes(left)
                left.clear()
            left += rest
            self._check(left)
        if left.strip():
            yield bytes(left)

    def _check(self, content: bytearray) -> None:
        if len(content) > self.service.max_body:
            raise self._too_large()

    def _too_large(self) -> Refused:
        return Refused(413, f"more than {self.service.max_body} bytes: send less, or a stream")


async def unless_disconnected(request: Request, answer: Awaitable[T]) -> T:
    """Wait for an answer as long as the client does.

    RAISES (ClientDisconnect): It has left, and the answer is cancelled.
    """
    wanted = asyncio.ensure_future(answer)
    left = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({wanted, left}, return_when=asyncio.FIRST_COMPLETED)
        if not wanted.done():
            raise ClientDisconnect
        return wanted.result()
    finally:
        wanted.cancel()
        left.cancel()


class Stream(StreamingResponse):
    """An answer that is sent while the body of its request is read.

    Starlette's own waits for the end of the connection meanwhile, and takes from the body what it
    receives then.

    RAISES (Refused): Too many large requests are in memory.
    """

    def __init__(self, content: AsyncIterator[bytes], bodies: Bodies, **options: Any) -> None:
        super().__init__(content, **options)
        self.seconds = bodies.service.timeout
        self.held = ExitStack()
        self.held.enter_context(bodies.hold(bodies.service.max_body))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer. A client that does not read it in time is left."""

        async def in_time(message: Any) -> None:
            await asyncio.wait_for(send(message), self.seconds)

        left = (ClientDisconnect, asyncio.TimeoutError, TimeoutError, OSError)
        with self.held, suppress(*left):
            await self.stream_response(in_time)
