"""Read raw texts from text files, JSONL and DocBins; and JSON."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spacy_cardioner.errors import CardionerError


def read_texts(path: Path) -> Iterator[str]:
    """Read raw texts one by one.

    path (Path): A text file, whose lines are the texts, a JSONL file with the key "text", or a
        DocBin (.spacy). The first two may be compressed with gzip.
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
            yield str(row["text"])
    else:
        yield from (line for _, line in _read_lines(path))


def read_jsonl(path: Path) -> Iterator[tuple[int, Any]]:
    """Read the rows of a JSONL file, which may be compressed with gzip. Empty lines are skipped.

    YIELDS (tuple[int, Any]): Line number and content.
    RAISES (CardionerError): The file cannot be read, or a line is not JSON.
    """
    for number, line in _read_lines(path):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise CardionerError(f"{path}:{number}: not JSON") from error


def read_json(path: Path) -> Any:
    """Read a JSON file. RAISES (CardionerError): It is missing or malformed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise CardionerError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CardionerError(f"{path}: cannot be read: {error}") from error


def _read_lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                yield number, line.decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise CardionerError(f"{path}: cannot be read as UTF-8 text ({error})") from error
