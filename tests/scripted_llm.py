"""A scripted server in the place of a language model: it knows some names, and answers by a list.

It speaks as OpenAI's servers do. It shows that requests, answers and errors are handled; it says
nothing about how well a real model finds mentions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

# What a reply is made of: a status and a body.
Reply = tuple[int, bytes]


class ScriptedLLM:
    """The state of the server.

    names (dict[str, str]): Labels by the names that it finds in a text.
    replies (list[Callable]): What it sends instead of the next answers.
    fails (dict[str, Reply]): What it always replies to a text.
    requests (list[dict]): What it was asked, with the headers under "headers".
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.names: dict[str, str] = {}
        self.replies: list[Callable[[], Reply]] = []
        self.fails: dict[str, Reply] = {}
        self.requests: list[dict[str, Any]] = []

    @property
    def texts(self) -> list[str]:
        """The texts that it was asked about."""
        return [_text(request) for request in self.requests]

    def reply(self, request: dict[str, Any]) -> Reply:
        self.requests.append(request)
        if self.replies:
            return self.replies.pop(0)()
        text = _text(request)
        if text in self.fails:
            return self.fails[text]
        found = [(text.find(name), name) for name in self.names if name in text]
        return chat("\n".join(f"{self.names[name]} | {name}" for _, name in sorted(found)) or "-")


def _text(request: dict[str, Any]) -> str:
    return re.findall(r"<<<\n(.*?)\n>>>", request["messages"][0]["content"], re.DOTALL)[-1]


def chat(answer: str, **choice: Any) -> Reply:
    """The reply with an answer."""
    body = {
        "choices": [{"message": {"role": "assistant", "content": answer}, **choice}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10},
    }
    return 200, json.dumps(body).encode()


@contextmanager
def scripted_llm() -> Iterator[ScriptedLLM]:
    """Start the server."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/chat/completions"
            status, content = llm.reply({**body, "headers": dict(self.headers)})
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    llm = ScriptedLLM(f"http://127.0.0.1:{server.server_port}/v1")
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield llm
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
