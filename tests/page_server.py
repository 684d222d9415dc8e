"""A server for the tests of the page: the files of the page, and the answers of a real pipeline.

It is not the service of `cardioner serve`. It answers as that does, in this process, and keeps what
it was asked.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from spacy_cardioner import brat
from spacy_cardioner.batch.engine import Annotate, Annotated, started
from spacy_cardioner.batch.readers.note import SourceNote
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.writers.lines import JsonLines, Tsv
from spacy_cardioner.serve.static import INDEX, page_files
from tests.shipped import shipped

POLICY = "default-src 'self'"
LABELS = {"labels": ["ENFERMEDAD", "FARMACO", "SINTOMA"], "active": ["ENFERMEDAD", "FARMACO"]}
PIPELINES = [
    {"name": f"{lang}_cardioner", "version": "0.1.0", "lang": lang, "threshold": 0.5, **LABELS}
    for lang in ("es", "en", "it")
]


@dataclass
class Service:
    """What the server answers.

    asked (list): The addresses and bodies of the requests to annotate.
    canned (dict | None): An answer to give instead of that of the pipeline.
    refusal (tuple | None): A status and headers to answer with.
    """

    stack: ExitStack
    engines: dict[str, Annotate] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    canned: dict[str, Any] | None = None
    refusal: tuple[int, dict[str, str]] | None = None

    def annotate(self, body: dict[str, Any]) -> tuple[str, list[Annotated]]:
        """RETURNS (tuple): The language, and the notes with the mentions that were asked for."""
        name = body["pipeline"] or body["lang"]
        lang = "es" if name == "auto" else name[:2]
        if lang not in self.engines:
            settings = Settings(str(shipped(lang)), context=True, max_characters=5_000_000)
            self.engines[lang], _ = self.stack.enter_context(started(settings))
        notes = [SourceNote(note["id"], note["text"]) for note in body["notes"]]
        labels = body["labels"] or LABELS["active"]

        def chosen(found: Annotated) -> Annotated:
            mentions = [
                mention
                for mention in found.mentions
                if mention.label in labels and (mention.score or 1) >= body["min_score"]
            ]
            return found._replace(mentions=mentions)

        return lang, [chosen(found) for found in self.engines[lang](notes)]

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer in JSON."""
        if self.canned is not None:
            return self.canned
        lang, notes = self.annotate(body)
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
        _, notes = self.annotate(body)
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
                lines = [f"{one.id}\t{one.label}\t{one.text}" for one in note.textbounds]
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
        files = page_files()
        name = self.path.partition("?")[0].removeprefix("/page/")
        if self.path == "/pipelines":
            self.send(json.dumps({"pipelines": PIPELINES}).encode(), "application/json")
        elif (found := files.get(INDEX if name == "/" else name)) is not None:
            self.send(found.path.read_bytes(), found.type)
        else:
            self.send(b"", "text/plain", status=404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.service.asked.append((self.path, body))
        if self.service.refusal:
            status, headers = self.service.refusal
            self.send(b'{"detail": "no"}', "application/json", status=status, **headers)
        elif kind := self.path.partition("?format=")[2]:
            self.send(self.service.file(body, kind), "application/octet-stream")
        else:
            self.send(json.dumps(self.service.answer(body)).encode(), "application/json")

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
def serving() -> Iterator[tuple[str, Service]]:
    """YIELDS (tuple): The address, and what is behind it."""
    with ExitStack() as stack:
        service = Service(stack)
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, service))
        stack.callback(server.server_close)
        thread = Thread(target=server.serve_forever)
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown)
        yield f"http://127.0.0.1:{server.server_port}/", service
