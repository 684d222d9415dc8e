"""Raw texts to learn words from: text files, JSONL and DocBins."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from spacy_cardioner.errors import CardionerError


def read_texts(path: Path) -> Iterator[str]:
    """Read raw texts one by one.

    path (Path): A text file, documents in JSONL with the key "text", or a DocBin (.spacy). The
        first two may be packed with gzip.
    RETURNS (Iterator[str]): The texts; of a text file, its lines.
    RAISES (CardionerError): The file cannot be read, or a line has no text.
    """
    if path.suffix == ".spacy":
        yield from _docbin_texts(path)
        return
    is_json = ".jsonl" in path.suffixes
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if not is_json:
                    yield line.decode("utf-8")
                elif line.strip():
                    yield _text_of(line, path, number)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise CardionerError(f"{path}: cannot be read as UTF-8 text ({error})") from error


def _text_of(line: bytes, path: Path, number: int) -> str:
    try:
        text = json.loads(line)["text"]
    except (ValueError, KeyError, TypeError) as error:
        raise CardionerError(
            f'{path}:{number}: not a JSON object with the key "text" ({type(error).__name__})'
        ) from error
    return str(text)


def _docbin_texts(path: Path) -> Iterator[str]:
    from spacy.vocab import Vocab

    from spacy_cardioner.corpus import read_docbin

    for doc in read_docbin(path, Vocab()):
        yield doc.text
