"""Messages to people: errors, and the functions that keep patients' data out of what is printed."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

# Environment variable that `cardioner --show-text` sets, so that worker processes see it too.
SHOW_TEXT = "CARDIONER_SHOW_TEXT"
# Most characters of an untrusted string in a message.
LONGEST = 200
# Part of what stands for hidden text.
HIDDEN = " characters, sha256 "
SPACY_CODE = re.compile(r"\[([EW]\d+)\]")

ADDRESS = re.compile(r"(?P<scheme>[^/?#@=\s]*:)//(?P<user>.*@)?(?P<place>.*)", re.DOTALL)
# Host, port and path. What follows another character may be an option, and its value a secret.
PLACE = re.compile(r"[\w.:/\\\[\]~ ,*{}-]*")
# What comes before a secret in text that is no address.
SECRET = re.compile(r"(?i)((?:password|passwd|pwd|token|secret)\s*=|:(?=.*@)).*", re.DOTALL)


class CardionerError(Exception):
    """The input is at fault. The message says what was wrong, where, and what to do.

    The command line prints the message alone and exits with status 1. A message never holds
    the text of a note: notes are patients' data. `shown` is the one way to name what a user's data
    hold.

    args (tuple[str, ...]): The lines of the message.
    """

    def __str__(self) -> str:
        return "\n".join(plain(str(line)) for line in self.args)


class NoteError(CardionerError):
    """A component cannot process this note. Others are no worse for it: a run goes on."""


def text_is_shown() -> bool:
    """Whether the user wants to see in messages what is read."""
    return os.environ.get(SHOW_TEXT) == "1"


def shown(value: object) -> str:
    """Name untrusted data in a message: a text, an id, a column, a library's error that quotes one.

    RETURNS (str): Its length and the start of its SHA-256, which finds it again without telling it:
        four digits fit one of 65,536 values, so that nobody can guess an id from them. If the
        environment variable CARDIONER_SHOW_TEXT is 1: the start of the text itself.
    """
    text = value if isinstance(value, str) else str(value)
    if text_is_shown():
        return f"'{plain(text[:LONGEST])}'" + ("..." if len(text) > LONGEST else "")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"<{len(text)}{HIDDEN}{digest[:4]}>"


def listed(values: Sequence[object], unit: str) -> str:
    """Name several untrusted values in a message: their number, and what they are if wanted.

    unit (str): What one of them is, such as "column".
    """
    number = f"{len(values)} {unit}{'s' * (len(values) != 1)}"
    return f"{number}: {', '.join(map(shown, values))}" if values and text_is_shown() else number


def reason(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """Why something failed, for a message: libraries' errors may quote the data that they read.

    secrets (Iterable[str]): What is never shown of the message.
    RETURNS (str): The message of our own error, what the operating system says, or else the class
        of the error, with spaCy's code if it has one, and its message as `shown`.
    """
    if isinstance(error, CardionerError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    message = str(error)
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        message = message.replace(secret, "***")
    code = SPACY_CODE.search(message)
    return " ".join(
        [type(error).__name__, *([code[1]] if code else []), *([shown(message)] if message else [])]
    )


def plain(text: str) -> str:
    """Escape what a terminal may obey: controls, escape sequences, line ends, text direction."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def tell(*lines: str, file: TextIO | None = None) -> None:
    """Print messages, a line each. All that this package prints goes through here.

    file (TextIO | None): Default: standard error.
    """
    from tqdm import tqdm  # prints above the progress bars

    for line in lines:
        tqdm.write(plain(line), file=file or sys.stderr)


def echo(text: str) -> None:
    """Print a result, which may have several lines, on standard output."""
    tell(*text.split("\n"), file=sys.stdout)


def guard_warnings() -> None:
    """Let this process print the warnings of libraries, which may quote a text, as messages."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        error = message if isinstance(message, Warning) else category(message)
        tell(f"warning: {reason(error)}")

    warnings.showwarning = show


def masked(name: str) -> str:
    """An address without what may be secret, for messages and records; other names unchanged.

    RETURNS (str): The scheme, host, port and path of a URL. User, password and options become
        ``***``, in whichever way they are spelled.
    """
    address = ADDRESS.match(name)
    if address is None:
        return SECRET.sub(r"\1***", name)
    scheme, user, place = address.groups("")
    if re.search("[?#;&=]", user):  # an option or a password holds an @: nothing is certain
        return f"{scheme}//***"
    secret = PLACE.sub("", place, count=1)
    kept = place.removesuffix(secret)
    return f"{scheme}//{'***@' * bool(user)}{kept}{'***' * bool(secret)}"


@contextmanager
def needs(package: str, extra: str) -> Iterator[None]:
    """Turn a failed import into a CardionerError that names the extra that installs the package."""
    try:
        yield
    except ImportError as error:
        raise CardionerError(
            f'needs {package} ({error}): pip install "spacy_cardioner[{extra}]"'
        ) from error
