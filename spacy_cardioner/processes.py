"""Processes of their own for work that needs memory or may fail; they end with this one."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any, cast

from spacy_cardioner.errors import CardionerError, guard_warnings, reason

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# A fork of a process with threads may hang.
SPAWN = multiprocessing.get_context("spawn")


@contextmanager
def one_thread() -> Iterator[None]:
    """Let processes started here use one thread. Numpy reads these variables on import."""
    before = dict(os.environ)
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def prepare() -> None:
    """What a new process does first: it ends with its parent, and prints warnings as messages."""
    # Ctrl-C reaches all processes of a terminal; the parent ends its own itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    guard_warnings()
    if parent := multiprocessing.parent_process():
        Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def death(process: BaseProcess) -> str:
    """How a process has ended: the signal that killed it, or its exit code."""
    code = process.exitcode
    return f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name


def in_processes(jobs: int, function: Callable[[Any], None], tasks: Sequence[Any]) -> Iterator[Any]:
    """Call a function for each task, each in a process of its own with one thread.

    jobs (int): Number of processes at a time.
    YIELDS (Any): Each task when it is done.
    RAISES (CardionerError): A call failed or its process died. The other processes are ended.
    """
    waiting = deque(tasks)
    running: dict[Connection, tuple[BaseProcess, Any]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < max(jobs, 1):
                connection, theirs = SPAWN.Pipe(duplex=False)
                task = waiting.popleft()
                started = SPAWN.Process(target=_call, args=(theirs, function, task), daemon=True)
                with one_thread():
                    started.start()
                theirs.close()
                running[connection] = started, task
            for connection in cast(list[Connection], wait(list(running))):
                process, task = running.pop(connection)
                _check(connection, process)
                yield task
    finally:
        for process, _ in running.values():
            process.kill()
        for process, _ in running.values():
            process.join()


def _call(connection: Connection, function: Callable[[Any], None], task: Any) -> None:
    prepare()
    try:
        function(task)
    except CardionerError as error:
        connection.send(error.args)
    except Exception as error:
        connection.send((reason(error),))
    else:
        connection.send(None)


def _check(connection: Connection, process: BaseProcess) -> None:
    """RAISES (CardionerError): The call failed, or its process has died."""
    try:
        with connection:
            failed = connection.recv()
    except (EOFError, OSError):
        process.join()
        raise CardionerError(
            f"a process died ({death(process)}); a process that is killed often lacks memory. "
            "What is finished is kept: run the same command again"
        ) from None
    process.join()
    if failed:
        raise CardionerError(*failed)
