"""Read raw texts from text files, JSONL and DocBins; JSON; and files that may be compressed."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from spacy_cardioner.errors import CardionerError, reason

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
# Errors of reading a damaged file.
BROKEN = (OSError, EOFError, lzma.LZMAError, zlib.error)
UTF_8 = "utf-8"
MARK = b"\xef\xbb\xbf"
BLOCK = 1 << 16


def read_texts(path: Path) -> Iterator[str]:
    """Read raw texts one by one.

    path (Path): A text file, whose lines are the texts, a JSONL file with the key "text", or a
        DocBin (.spacy). The first two may be compressed.
    RAISES (CardionerError): The file cannot be read, or a line has no text.
    """
    if path.suffix == ".spacy":
        from spacy.vocab import Vocab

        from spacy_cardioner.corpus import read_docbin

        yield from (doc.text for doc in read_docbin(path, Vocab()))
    elif ".jsonl" in path.suffixes:
        for number, row in read_jsonl(path):
            if not isinstance(row, dict) or "text" not in row:
                raise CardionerError(f'{path}:{number}: not a JSON object with the key "text"')
            text = str(row["text"])
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise CardionerError(f"{path}:{number}: the text has a lone surrogate") from error
            yield text
    else:
        with opened(path) as stream:
            for number, line in enumerate(stream, 1):
                try:
                    yield line.decode()
                except UnicodeDecodeError as error:
                    raise CardionerError(f"{path}:{number}: not UTF-8 text") from error


def read_all(paths: Iterable[Path]) -> Iterator[str]:
    """Read the raw texts of files, see `read_texts`, and of folders: a note (.txt) is one text."""
    from spacy_cardioner.brat import read_note

    for path in paths:
        if path.is_dir():
            yield from (read_note(file, lenient=True).text for file in sorted(path.rglob("*.txt")))
        else:
            yield from read_texts(path)


def read_jsonl(path: Path) -> Iterator[tuple[int, Any]]:
    """Read the rows of a JSONL file, which may be compressed. Empty lines are skipped.

    YIELDS (tuple[int, Any]): Line number and content.
    RAISES (CardionerError): The file cannot be read, or a line is not JSON.
    """
    with opened(path) as stream:
        for number, row, fault in json_rows(stream):
            if fault:
                raise CardionerError(f"{path}:{number}: {fault}")
            yield number, row


def json_rows(stream: IO[bytes], longest: int = -1) -> Iterator[tuple[int, Any, str]]:
    """Parse lines of JSON. Empty lines are skipped.

    longest (int): Most bytes of a line. Default: any number.
    YIELDS (tuple[int, Any, str]): Line number, content, and what is wrong with the line.
    """
    number = 0
    while line := stream.readline(longest):
        number += 1
        if len(line) == longest and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(BLOCK)
            yield number, None, f"the line has more than {longest} bytes"
            continue
        if number == 1:
            line = line.removeprefix(MARK)
        if line.strip():
            try:
                yield number, parse_json(line), ""
            except CardionerError as error:
                yield number, None, str(error)


def read_json(path: Path) -> Any:
    """Read a JSON file. RAISES (CardionerError): It is missing or malformed."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CardionerError(f"{path}: cannot be read: {reason(error)}") from error
    try:
        return parse_json(data)
    except CardionerError as error:
        raise CardionerError(f"{path}: {error}") from error


def parse_json(data: bytes) -> Any:
    """Parse JSON strictly. RAISES (CardionerError): It is malformed, or a key occurs twice."""
    try:
        return json.loads(data.decode(), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise CardionerError("not UTF-8") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, " * (error.lineno > 1)
        raise CardionerError(f"not JSON from {place}character {error.colno} on") from error
    except RecursionError as error:
        raise CardionerError("not JSON: nested too deeply") from error
    except ValueError as error:
        raise CardionerError("not JSON: a number has too many digits") from error


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise CardionerError("a key occurs twice in an object")
    return found


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that may be compressed. RAISES (CardionerError): It cannot be read."""
    try:
        with open_bytes(path) as stream:
            yield stream
    except BROKEN as error:
        raise CardionerError(f"{path}: cannot be read: {damage(error)}") from error


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file that may be compressed with gzip, bzip2 or xz, as its name says."""
    return OPENERS.get(path.suffix.lower(), open)(path, "rb")


def decompressed(name: str, data: bytes, limit: int = -1) -> bytes:
    """Decompress the bytes of a file, as its name says, at most `limit` bytes."""
    opener = OPENERS.get(Path(name).suffix.lower())
    return opener(io.BytesIO(data)).read(limit) if opener else data


def without_compression(name: str) -> str:
    """A file name without ``.gz``, ``.bz2`` or ``.xz``."""
    ends = (end for end in OPENERS if name.lower().endswith(end))
    return next((name[: -len(end)] for end in ends), name)


def damage(error: BaseException, otherwise: str = "it is damaged") -> str:
    """Why a file cannot be read. Libraries' errors may quote it: the system's do not."""
    return reason(error) if isinstance(error, OSError) and error.strerror else otherwise


def encoding_name(name: str) -> str:
    """Python's name of an encoding. RAISES (CardionerError): It knows none of this name."""
    try:
        "".encode(name)  # unlike `lookup`, it refuses what is no encoding of text, such as "hex"
        found = codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        raise CardionerError(
            f"{name}: no encoding has this name; usual ones are utf-8, cp1252 (Windows), latin-1, "
            "cp850 (DOS) and utf-16"
        ) from error
    return UTF_8 if found == "utf-8-sig" else found


def misfit(encoding: str | None, fault: str) -> str:
    """Say that bytes do not fit their encoding, and what to do about it.

    encoding (str | None): None if the user cannot name another.
    fault (str): The message, with "{}" for the name of the encoding.
    """
    named = "UTF-8" if encoding in (None, UTF_8) else encoding
    advice = "; --encoding names another, such as cp1252, latin-1 or utf-16" if encoding else ""
    return fault.format(named) + advice
