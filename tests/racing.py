"""Threads that switch as often as possible, so that what can go wrong between them does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

THREADS = 8


@contextmanager
def quick_switches(seconds: float = 1e-6) -> Iterator[None]:
    """Let threads take turns after this time instead of 5 ms."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
