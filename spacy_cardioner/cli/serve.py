"""``cardioner serve``: answer requests over HTTP, and serve a page."""

from __future__ import annotations

import os
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer

from spacy_cardioner.errors import CardionerError, needs, reason, tell

# Served by default, where installed.
PIPELINES = ("es_cardioner", "en_cardioner", "it_cardioner")
# Environment variable with the token, or its file.
TOKEN = "CARDIONER_TOKEN"


def serve(
    models: Annotated[
        list[str],
        typer.Option(
            "--model",
            "-m",
            help="An installed pipeline or its folder. Repeatable. Default: those of es_cardioner, "
            "en_cardioner and it_cardioner that are installed.",
        ),
    ] = [],  # noqa: B006
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    token_file: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help=f"File with the token that requests must bear. Default: that of {TOKEN}, if any.",
        ),
    ] = None,
    root_path: Annotated[
        str, typer.Option(help="Where a proxy has the service, such as /cardioner.")
    ] = "",
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds after which a request is given up.")
    ] = 120.0,
    max_body: Annotated[int, typer.Option(min=1, help="Most bytes of a body.")] = 10_000_000,
    max_characters: Annotated[
        int, typer.Option(min=1, help="A note with more characters fails.")
    ] = 1_000_000,
    max_notes: Annotated[int, typer.Option(min=1, help="Most notes of a request.")] = 500,
    queue: Annotated[
        int, typer.Option(min=1, help="Most notes that wait; requests with more get a 503.")
    ] = 1000,
    access_log: Annotated[
        bool, typer.Option("--access-log", help="Tell each request: no note, no address.")
    ] = False,
) -> None:
    """Answer requests over HTTP, with a page for people at /.

    Needs: pip install "spacy_cardioner[serve]". The API is described at /docs.

        cardioner serve

        curl -H 'Content-Type: application/json'
            -d '{"text": "Toma bisoprolol 2,5 mg."}' http://127.0.0.1:8000/annotate
    """
    with needs("FastAPI, uvicorn and others", "serve"):
        from spacy_cardioner.serve.server import run
        from spacy_cardioner.serve.settings import Service
    names = models or [name for name in PIPELINES if find_spec(name)]
    if not names:
        raise CardionerError(
            f"none of {', '.join(PIPELINES)} is installed: install one, or name another pipeline "
            "with --model"
        )
    if queue < max_notes:
        raise typer.BadParameter("less than --max-notes", param_hint="--queue")
    token = _token(token_file)
    if not token and not _is_local(host):
        tell(
            f"warning: whoever reaches {host} may use the service: set a token with --token-file, "
            "or put a proxy before it that checks who asks"
        )
    service = Service(
        tuple(dict.fromkeys(names)),
        workers=workers,
        timeout=timeout,
        max_body=max_body,
        max_characters=max_characters,
        max_notes=max_notes,
        queue=queue,
        token=token,
        root_path="/" + root_path.strip("/") if root_path.strip("/") else "",
        access_log=access_log,
    )
    run(service, host, port)


def _token(path: Path | None) -> str:
    """The token in a file, or in the environment.

    RAISES (CardionerError): The file cannot be read or is empty, or the token is no single word.
    """
    if path is None:
        where, token = TOKEN, os.environ.get(TOKEN, "").strip()
    else:
        try:
            where, token = str(path), path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            raise CardionerError(f"{path}: {reason(error)}") from error
    if (path and not token) or not token.isascii() or len(token.split()) > 1:
        raise CardionerError(f"{where}: has no token; it is one word of ASCII characters")
    return token


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
