"""Join lists of diseases and findings to the list that ships.

    python assets/gazetteer/terms.py FILE.tsv.gz[=VOCABULARY]... --lang es -o terms.tsv.gz

The files are tables with the columns name, lang, source, id and licence. VOCABULARY is put before
the ids of files whose ids do not name theirs. A name whose licence does not allow it to ship is an
error. Left out are what `DROPPED` lists, and the names of ids that have one which starts with
"obsolete".
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path

from spacy_cardioner.texts import read_texts

COLUMNS = ["name", "lang", "id", "source", "licence"]
FREE = ("CC0 1.0", "CC BY 4.0", "HPO licence", "MIT")
# Ids, and names of an id, that in notes of cardiology mostly mean something else.
DROPPED = {
    "DOID:1123 espondiloartrosis",  # spondyloarthropathy
    "DOID:14026 anemia ferropénica",  # anaemia from lack of folic acid
    "HP:0002304",  # akinesia of the body: in these notes it is that of the heart
    "HP:0002375",  # hypokinesia, the same
    "HP:0100660",  # dyskinesia, the same
    "HP:0031915",  # stable: the course of a disease
    "WIKIDATA:Q186470",  # "anginas": tonsillitis
    "WIKIDATA:Q476921 enfermedad renal",  # kidney failure
    "WIKIDATA:Q8775887",  # mixes heart diseases and oedema
}


def main() -> None:
    """Read the command line, and write the list."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--lang", action="append", required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    rows = [row for file in args.files for row in read(file)]
    obsolete = {row["id"] for row in rows if row["name"].startswith("obsolete ")}
    unwanted = obsolete | DROPPED
    kept = [
        row
        for row in rows
        if row["lang"] in args.lang
        and unwanted.isdisjoint((row["id"], f"{row['id']} {row['name'].lower()}"))
    ]
    written = io.StringIO()
    table = csv.DictWriter(written, COLUMNS, delimiter="\t", lineterminator="\n")
    table.writeheader()
    table.writerows(kept)
    # Without a time, the same names give the same bytes.
    args.output.write_bytes(gzip.compress(written.getvalue().encode(), mtime=0))
    print(f"{len(kept)} names")


def read(file: str) -> Iterator[dict[str, str]]:
    """Read a table."""
    path, _, vocabulary = file.partition("=")
    rows = csv.DictReader(read_texts(Path(path)), delimiter="\t", quoting=csv.QUOTE_NONE)
    for row in rows:
        if not row["licence"].startswith(FREE):
            raise SystemExit(
                f"{path}:{rows.line_num}: its licence is not one of {', '.join(FREE)}: "
                f"{row['licence']}"
            )
        code = row["id"] if ":" in row["id"] else f"{vocabulary}:{row['id']}"
        yield {**row, "id": code}


if __name__ == "__main__":
    main()
