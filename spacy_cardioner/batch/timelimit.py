"""A time limit for work in this process."""

from __future__ import annotations

import signal
import threading

# Seconds between two interruptions, in case a library swallowed the first.
AGAIN = 1.0


class OutOfTime(BaseException):
    """There was no sign of life in time. It is no Exception, so that no component swallows it."""


class TimeLimit:
    """A block of code that is interrupted when it gives no sign of life.

    It needs the main thread, and SIGALRM that nothing else uses: elsewhere, as on Windows, there is
    no limit. A single call of compiled code is interrupted when it returns.

    seconds (float): Longest time without a call of `restart`.
    RAISES (OutOfTime): Anywhere in the block.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.active = False

    def __enter__(self) -> None:
        if (
            hasattr(signal, "setitimer")
            and threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
        ):
            signal.signal(signal.SIGALRM, _interrupt)
            self.active = True
            self.restart()

    def __exit__(self, *exc_info: object) -> None:
        if self.active:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0)
            finally:  # the alarm may have come just before
                self.active = False
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def restart(self) -> None:
        """Count the time from now on."""
        if self.active:
            signal.setitimer(signal.ITIMER_REAL, self.seconds, AGAIN)


def _interrupt(*_: object) -> None:
    raise OutOfTime
