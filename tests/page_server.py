"""A server for the tests of the page: the files of the page, and the answers of a real pipeline.

It is not the service of `cardioner serve`. It answers as that does, in this process, keeps what it
was asked, and can be told to refuse.
"""

from __future__ import annotations

import io
import json
import mimetypes
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from spacy_cardioner import brat
from spacy_cardioner.batch.engine import Annotate, Annotated, started
from spacy_cardioner.batch.mentions import OF_CONTEXT
from spacy_cardioner.batch.readers.note import SourceNote
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.writers.lines import JsonLines, Tsv
from spacy_cardioner.view import STYLE
from tests.conftest import ROOT
from tests.shipped import shipped

PAGE = ROOT / "spacy_cardioner/serve/page"
# The strictest that the service may send.
POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; object-src 'none'"
LANGUAGES = ("es", "en", "it")
LABELS = ["ENFERMEDAD", "FARMACO"]


class Service:
    """What the server answers.

    asked (list): The addresses of the requests, and the bodies of those that have one.
    canned (dict | None): An answer to give instead of that of the pipeline.
    refusal (tuple | None): A status and headers to answer with.
    token (str): What requests must bear, "" for nothing.
    context (bool): Whether the pipelines can detect it.
    active (list): The labels that they find by default.
    languages (tuple): The languages that they are for.
    """

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.engines: dict[str, Annotate] = {}
        self.reset()

    def reset(self) -> None:
        """Forget what was asked, and answer normally."""
        self.asked: list[tuple[str, Any]] = []
        self.canned: dict[str, Any] | None = None
        self.refusal: tuple[int, dict[str, str]] | None = None
        self.token = ""
        self.context = True
        self.active = LABELS
        self.languages = LANGUAGES

    def pipelines(self) -> dict[str, Any]:
        """The answer to ``GET /pipelines``."""
        known = [
            {
                "name": f"{lang}_cardioner",
                "version": "0.1.0",
                "lang": lang,
                "labels": LABELS,
                "active": self.active,
                "threshold": 0.5,
                "context": [lang] if self.context else [],
            }
            for lang in self.languages
        ]
        return {"pipelines": known}

    def annotated(self, body: dict[str, Any]) -> tuple[str, list[Annotated]]:
        """RETURNS (tuple): The language, and the notes with the mentions that were asked for."""
        name = body["pipeline"] or body["lang"]
        lang = "es" if name == "auto" else name[:2]
        if lang not in self.engines:
            settings = Settings(str(shipped(lang)), context=True)
            self.engines[lang], _ = self.stack.enter_context(started(settings))
        notes = [SourceNote(note["id"], note["text"]) for note in body["notes"]]

        def kept(found: Annotated) -> Annotated:
            least, labels = body["min_score"], body["labels"] or self.active
            mentions = [
                mention
                for mention in found.mentions
                if mention.label in labels and (mention.score or 1) >= least
            ]
            if not body["context"]:
                unknown = dict.fromkeys(OF_CONTEXT)
                mentions = [mention._replace(**unknown) for mention in mentions]
                return found._replace(mentions=mentions, sections=())
            return found._replace(mentions=mentions)

        return lang, [kept(found) for found in self.engines[lang](notes)]

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer in JSON."""
        if self.canned is not None:
            return self.canned
        lang, notes = self.annotated(body)
        return {
            "pipeline": f"{lang}_cardioner",
            "lang": lang,
            "notes": [
                {
                    "id": found.note.id,
                    "entities": [entity(found, mention) for mention in found.mentions],
                    "sections": [{"start": s, "category": name} for s, name in found.sections],
                }
                for found in notes
            ],
            "failed": [],
        }

    def file(self, body: dict[str, Any], kind: str) -> bytes:
        """The answer as a file."""
        _, notes = self.annotated(body)
        if kind == "jsonl":
            return b"".join(map(JsonLines().render, notes))
        if kind == "tsv":
            writer = Tsv(with_attributes=True)
            return writer.head + b"".join(map(writer.render, notes))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for found in notes:
                entities = [mention.entity for mention in found.mentions]
                note = brat.note_from_entities(found.note.id, found.note.text, entities)
                archive.writestr(f"{note.name}.txt", note.text.encode())
                lines = [f"{one.label}\t{one.text}" for one in note.textbounds]
                archive.writestr(f"{note.name}.ann", "\n".join(lines))
        return packed.getvalue()


def entity(found: Annotated, mention: Any) -> dict[str, Any]:
    """A mention in JSON."""
    start, end, label, text = mention[:4]
    name = (found.names or {}).get(mention.kb_id)
    known = mention.attributes | ({"kb_name": name} if name else {})
    return {"start": start, "end": end, "label": label, "text": text, **known}


class Handler(BaseHTTPRequestHandler):
    def __init__(self, service: Service, *args: Any) -> None:
        self.service = service
        super().__init__(*args)

    def do_GET(self) -> None:
        self.service.asked.append((self.path, None))
        files = {f"/page/{path.name}": path for path in (*PAGE.iterdir(), STYLE)}
        files["/"] = PAGE / "index.html"
        path = files.get(self.path.partition("?")[0])
        if path is not None:
            self.send(path.read_bytes(), mimetypes.guess_type(path)[0] or "")
        elif self.path == "/pipelines":
            self.reply(lambda: json.dumps(self.service.pipelines()).encode())
        else:
            self.send(b"", "text/plain", status=404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.service.asked.append((self.path, body))
        if kind := self.path.partition("?format=")[2]:
            self.reply(lambda: self.service.file(body, kind))
        else:
            self.reply(lambda: json.dumps(self.service.answer(body)).encode())

    def reply(self, answer: Any) -> None:
        status, headers = self.service.refusal or (200, {})
        token = self.service.token
        if token and self.headers["Authorization"] != f"Bearer {token}":
            status = 401
        data = answer() if status == 200 else b'{"error": "no <b>way</b>"}'
        self.send(data, "application/json", status=status, **headers)

    def send(self, data: bytes, kind: str, *, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        sent = {"Content-Type": kind, "Content-Length": str(len(data)), **headers}
        for name, value in {**sent, "Content-Security-Policy": POLICY}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(port: int = 0) -> Iterator[tuple[str, Service]]:
    """YIELDS (tuple): The address, and what is behind it. Port 0 takes a free one."""
    with ExitStack() as stack:
        service = Service(stack)
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, service))
        stack.callback(server.server_close)
        thread = Thread(target=server.serve_forever)
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown)
        yield f"http://127.0.0.1:{server.server_port}/", service
