"""Runs the service until it is told to stop."""

from __future__ import annotations

import logging
import signal
import socket
from types import FrameType

import uvicorn

from spacy_cardioner.errors import CardionerError, reason, tell
from spacy_cardioner.serve.app import make_app
from spacy_cardioner.serve.pool import Dispatcher
from spacy_cardioner.serve.settings import Service

# Connections that wait for a place before the system refuses others, and open ones.
BACKLOG = 256
CONNECTIONS = 1000


def run(service: Service, host: str, port: int) -> None:
    """Answer requests until SIGTERM or Ctrl-C. What runs then is finished first.

    port (int): 0 takes a free one. The address is told when the service is ready.
    RAISES (CardionerError): The address cannot be used, a pipeline cannot be loaded, or workers
        die again and again.
    """
    _log_without_data()
    stop = signal.signal(signal.SIGTERM, _exit)
    try:
        with _bound(host, port) as bound, Dispatcher(service) as pool:
            server = uvicorn.Server(_config(service, pool))

            def failed() -> None:
                server.should_exit = True

            pool.failed = failed
            bound.listen(BACKLOG)  # who connects from now on is answered
            place = f"[{host}]" if ":" in host else host
            tell(f"ready: http://{place}:{bound.getsockname()[1]}{service.root_path}/")
            server.run(sockets=[bound])
            if pool.fault:
                raise pool.fault
    finally:
        signal.signal(signal.SIGTERM, stop)


def _config(service: Service, pool: Dispatcher) -> uvicorn.Config:
    return uvicorn.Config(
        make_app(service, pool),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        lifespan="off",
        ws="none",
        http="httptools",
        loop="asyncio",
        backlog=BACKLOG,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(service.timeout),
    )


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # asyncio sends at once only what goes through a socket that says it is one of TCP; others
        # wait 40 ms for the end of an answer.
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        raise CardionerError(f"{host}:{port}: {reason(error)}; give another --port") from error
    return bound


def _exit(signum: int, frame: FrameType | None) -> None:
    # uvicorn handles the signal while it runs, and repeats it when it has stopped.
    raise SystemExit(0)


class _Messages(logging.Handler):
    """Prints the first line of messages of libraries: later ones quote errors, and those texts."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage().partition("\n")[0]
        error = record.exc_info[1] if record.exc_info else None
        tell(f"{record.levelname.lower()}: {message}" + (f" ({reason(error)})" if error else ""))


def _log_without_data() -> None:
    for name in ("uvicorn", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = [_Messages()]
        logger.propagate = False
        logger.setLevel(logging.WARNING)
