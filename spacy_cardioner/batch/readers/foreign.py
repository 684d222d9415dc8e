"""Files that are no plain text, and what to do about them: read as text, they give nonsense."""

from __future__ import annotations

import json
import os
import re

from spacy_cardioner.texts import without_compression

AS_TEXT = " (--input-format text reads it as it is)"
MARKUP = "take the texts out of it, into .txt files or a table"
SAVE = "save it as plain text"
TABLE = "save it as CSV in UTF-8, or as Parquet"
UNPACK = "unpack it, and give the folder"
SCAN = "recognise its text first (OCR)"
DATABASE = "give the address of the database, such as sqlite:///notes.db, and --table"
JSON = (
    "--input-format jsonl reads an object per line; of a list of objects, "
    "`jq -c '.[]' notes.json > notes.jsonl` makes that"
)
BRAT = "the texts of BRAT are in its .txt files: give the folder"

# What files are by the endings of their names.
ENDINGS = {
    ("JSON", JSON): ".json .geojson",
    ("XML", MARKUP): ".xml .cda .xhtml .xsl .xslt .svg",
    ("HTML", MARKUP): ".html .htm .mhtml .mht",
    ("YAML", TABLE): ".yaml .yml",
    ("PDF", SAVE + ", for instance with pdftotext"): ".pdf",
    ("a document", SAVE): ".doc .docx .docm .dot .dotx .odt .rtf .pages .epub .ps .tex",
    ("a presentation", SAVE): ".ppt .pptx .odp",
    ("mail", SAVE): ".eml .msg .pst .mbox",
    ("a spreadsheet", TABLE): ".xls .xlsx .xlsm .xlsb .ods .numbers",
    ("a table of another program", TABLE): (
        ".feather .arrow .orc .avro .h5 .hdf5 .pkl .pickle .rds .rda .rdata .sas7bdat .xpt .sav "
        ".dta .mat .npy .npz"
    ),
    ("an archive", UNPACK): ".zip .tar .tgz .tbz2 .txz .7z .rar .zst .lz4 .lzma .z",
    ("a database", DATABASE): ".db .sqlite .sqlite3 .duckdb .mdb .accdb",
    ("an image", SCAN): ".png .jpg .jpeg .tif .tiff .bmp .gif .webp .heic .dcm .dicom",
    ("BRAT's annotations", BRAT): ".ann",
    ("a DocBin", "write the texts of its documents as JSONL"): ".spacy",
}
BY_ENDING = {ending: what for what, endings in ENDINGS.items() for ending in endings.split()}

# What files are by their first bytes.
STARTS = {
    b"%PDF-": ("PDF", SAVE),
    b"{\\rtf": ("RTF", SAVE),
    b"PK\x03\x04": ("an archive, or a document of an office program", SAVE),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("a document of an office program", SAVE),
    b"\x1f\x8b": ("compressed", "its name must end in .gz"),
    b"BZh": ("compressed", "its name must end in .bz2"),
    b"\xfd7zXZ\0": ("compressed", "its name must end in .xz"),
    b"(\xb5/\xfd": ("compressed", UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("an archive", UNPACK),
    b"Rar!\x1a\x07": ("an archive", UNPACK),
    b"PAR1": ("Parquet", "--input-format parquet reads it"),
    b"SQLite format 3\0": ("a database", DATABASE),
    b"\x89PNG": ("an image", SCAN),
    b"\xff\xd8\xff": ("an image", SCAN),
}
MARKED_UP = re.compile(r"\s*<(?:\?xml\b|!doctype\s+html|html\b|[\w.:-]+\s[^<>]*\bxmlns)", re.I)


def foreign_by_name(file: str) -> str:
    """Say what a file is by its name, and what to do, if it is no plain text; else ""."""
    ending = os.path.splitext(without_compression(file))[1].lower()
    return _said(*BY_ENDING[ending]) if ending in BY_ENDING else ""


def foreign_bytes(data: bytes) -> str:
    """Say what the bytes of a file are, and what to do, if they are no plain text; else ""."""
    found = (what for start, what in STARTS.items() if data.startswith(start))
    return next((_said(*what) for what in found), "")


def foreign_text(text: str) -> str:
    """Say what a decoded file is, and what to do, if it is no plain text; else ""."""
    if MARKED_UP.match(text):
        return _said("XML or HTML", MARKUP)
    return _said("JSON", JSON) if _is_json(text) else ""


def _is_json(text: str) -> bool:
    """Whether a text is an object or a list of objects, or begins with a line that is one."""
    bare = text.lstrip()
    if not bare.startswith(("{", "[")):
        return False
    try:
        found, _ = json.JSONDecoder().raw_decode(bare)
    except (ValueError, RecursionError):
        return False
    first = found[:1] if isinstance(found, list) else [found]
    return any(isinstance(one, dict) and one for one in first)


def _said(what: str, advice: str) -> str:
    return f"{what}, not plain text: {advice}"
