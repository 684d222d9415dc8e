"""CSV and TSV files, read strictly."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from spacy_cardioner.batch.readers.base import Unreadable
from spacy_cardioner.batch.readers.columns import Row
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.texts import UTF_8, misfit, open_bytes

DELIMITERS = "\t;,|"
QUOTE = '"'
# Stands for NUL while a line is parsed: csv of Python 3.10 refuses it. No bytes are decoded to it.
NUL = "\udc00"
ADVICE = (
    "Write a value that holds quotes in quotes, and each quote in it twice; or convert the table, "
    "for instance to JSONL"
)


def delimiter_of(line: str) -> str:
    """The most frequent of tab, semicolon, comma and bar."""
    return max(DELIMITERS, key=line.count)


def read_delimited(path: Path, longest: int, encoding: str = UTF_8) -> Iterator[Any]:
    """Read a file, which may be compressed.

    longest (int): Most characters of a record.
    encoding (str): Bytes that do not fit it become surrogates, which `checked` finds.
    YIELDS (list[str] | Row | str): The columns, then the records or why one cannot be read.
    RAISES (CardionerError): A quote is wrong, a record is too long, or the file has another
        encoding.
    """
    codec = "utf-8-sig" if encoding == UTF_8 else encoding
    with io.TextIOWrapper(open_bytes(path), codec, "surrogateescape", newline="") as stream:
        records = Records(stream, str(path), longest)
        yield records.names
        yield from records


class Records:
    """The records of a table.

    A wrong quote is an error, as all that follows is uncertain. Only a TSV in which no value is in
    quotes may have quotes in its values.

    stream (TextIO): Opened with `newline=""`.
    names (list[str]): The columns, from the first line that is not empty.
    """

    def __init__(self, stream: TextIO, name: str, longest: int) -> None:
        csv.field_size_limit(sys.maxsize)  # of the process; `longest` limits here
        self.stream = stream
        self.name = name
        self.longest = longest
        self.row = self.line = self.size = 0
        self.raw: list[str] = []  # the lines of the record
        self.ended = False
        self.quoted, self.stray = False, ""  # is there a value in quotes? a quote within others?
        lines = self._lines()
        first = next(filter(str.strip, lines), "")
        self.raw = [first]
        if NUL in first:
            raise Unreadable(misfit(UTF_8, "not {}"))
        self.delimiter = delimiter_of(first)
        self._records = self._parsed(
            csv.reader(chain([first], lines), delimiter=self.delimiter, strict=True)
        )
        self.names, self.end = next(self._records, ([], ""))

    def __iter__(self) -> Iterator[Row | str]:
        """The records after the header, or why a record cannot be read."""
        torn = False
        for record, end in self._records:
            # A line break that does not end the lines of this table was part of a value.
            torn, after = end not in ("", self.end), torn
            if torn or after:
                yield "a line break in a value that is not in quotes"
            elif len(record) == len(self.names):
                yield dict(zip(self.names, record, strict=True))
            elif record:
                yield f"{len(record)} columns instead of {len(self.names)}"

    def _lines(self) -> Iterator[str]:
        while line := self._line():
            self.line += 1
            self.size += len(line)
            self.raw.append(line.replace("\0", NUL))
            if self.size >= self.longest:
                raise csv.Error("too long")
            yield self.raw[-1]
        self.ended = True

    def _line(self) -> str:
        try:
            return self.stream.readline(self.longest)
        except UnicodeError as error:  # of UTF-16 and others, whose bytes cannot become surrogates
            fault = misfit(self.stream.encoding, f"not {{}} after line {self.line}")
            raise Unreadable(fault) from error

    def _parsed(self, records: Iterator[list[str]]) -> Iterator[tuple[list[str], str]]:
        """YIELDS (tuple[list[str], str]): A record, and the line break that ends it, if any."""
        try:
            for record in records:
                raw = "".join(self.raw)
                if QUOTE in raw:
                    self._check_quotes(record, raw)
                end = raw[-1:] if raw.endswith(("\r", "\n")) else ""
                yield [value.replace(NUL, "\0") for value in record], end
                self.row += bool(record)
                self.raw.clear()
                self.size = 0
        except csv.Error as error:
            raise CardionerError(f"{self._place()}: {self._fault()}. {ADVICE}") from error

    def _check_quotes(self, record: Sequence[str], raw: str) -> None:
        """Check for quotes in values that are not in quotes: csv takes them as they are."""
        at = 0
        for value in record:
            if raw.startswith(QUOTE, at):
                self.quoted = True
                at += value.count(QUOTE) + 2
            elif QUOTE in value:
                self.stray = self.stray or self._place()
            at += len(value) + 1
        if self.stray and (self.quoted or self.delimiter != "\t"):
            raise CardionerError(
                f"{self.stray}: a quote in a value that is not in quotes. {ADVICE}"
            )

    def _place(self) -> str:
        return f"{self.name}, {f'row {self.row}' if self.row else 'the header'}"

    def _fault(self) -> str:
        """Why csv cannot parse the lines of this record."""
        if not self.ended and self.size < self.longest:
            return f"in line {self.line}, text follows a closing quote"
        opened, inside = 0, False
        for number, line in enumerate(self.raw, start=self.line - len(self.raw) + 1):
            inside ^= line.count(QUOTE) % 2 == 1
            if inside and QUOTE in line.replace(2 * QUOTE, ""):
                opened = number
        if not inside:
            return f"the record has more than {self.longest} characters"
        return f"the quote that opens in line {opened} is not closed" + (
            "" if self.ended else f" within {self.longest} characters"
        )
