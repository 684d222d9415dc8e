"""What holds for every request: who may ask, headers, faults, counts, and where a proxy has us."""

from __future__ import annotations

import hmac
import time
import traceback
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spacy_cardioner.errors import reason, tell
from spacy_cardioner.serve.answer import JSON, to_json
from spacy_cardioner.serve.metrics import Metrics
from spacy_cardioner.serve.request import Refused
from spacy_cardioner.serve.settings import Service

# Nothing from other hosts, nothing inline, and no page of others around ours.
HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
# What the token protects: all that has to do with notes, and what tells of them.
PROTECTED = {"/annotate", "/metrics", "/pipelines", "/process_bulk"}
RETRY_SECONDS = 1


def error_answer(error: Refused) -> Response:
    """The answer to a request that is refused."""
    headers = {"retry-after": str(RETRY_SECONDS)} if error.retry else {}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(to_json({"error": error.message}), error.status, headers, JSON)


class Guard:
    """Wraps the application. No message has the path or anything else that a client chose."""

    def __init__(self, app: ASGIApp, service: Service, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics
        self.root = "/" + service.root_path.strip("/") if service.root_path.strip("/") else ""
        self.token = service.token.encode()
        self.log = service.access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        path = scope["path"]
        if f"{path}/".startswith(f"{self.root}/"):
            path = path[len(self.root) :] or "/"
        placed = {**scope, "root_path": self.root, "path": self.root + path}
        try:
            if path in PROTECTED and not self._may(scope):
                refused = error_answer(Refused(401, "give the token: Authorization: Bearer TOKEN"))
                await refused(placed, receive, answer)
            else:
                await self.app(placed, receive, answer)
        except Exception as error:  # without its message, which may quote a text
            tell(*"".join(traceback.format_tb(error.__traceback__)).splitlines())
            tell(f"error: {reason(error)}: this is a fault of the program, please report it")
            if not status:
                refused = error_answer(Refused(500, "a fault of the program; its log has more"))
                await refused(placed, receive, answer)
        finally:
            self._count(placed, status, time.perf_counter() - start)

    def _may(self, scope: Scope) -> bool:
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        if not self.token:
            return True
        given = token.strip().encode("latin-1", "replace") if kind.lower() == "bearer" else b""
        return hmac.compare_digest(given, self.token)

    def _count(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"
        self.metrics.requests.labels(route, status).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        if self.log:
            tell(f"{method} {route} {status} {seconds * 1000:.0f} ms")
