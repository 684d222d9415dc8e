"""Find the abbreviations that raw texts define, for spacy_cardioner/resources/*/abbreviations.tsv.

Prints a table of the abbreviations in parentheses after their long forms, the most frequent first,
with the number of documents that define them so, and whether the list of the language has them.
What an abbreviation is, an entity or not, is decided by reading the table.

    python assets/gazetteer/pairs.py es FOLDER --documents 2 > pairs.tsv

FOLDER has .txt files, one per document, or .jsonl files with the key "text"; also compressed.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from spacy_cardioner.gazetteer.abbreviations import abbreviations
from spacy_cardioner.gazetteer.definitions import definitions
from spacy_cardioner.gazetteer.normalise import fold
from spacy_cardioner.texts import read_texts, without_compression


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("lang", choices=("es", "en", "it"))
    parser.add_argument("folder", type=Path, help="Folder of raw texts.")
    parser.add_argument("--documents", type=int, default=2, help="Fewest documents of a pair.")
    given = parser.parse_args()
    counts: Counter[tuple[str, str]] = Counter()
    spellings: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for text in documents(given.folder):
        pairs = dict.fromkeys((short, fold(long), long) for short, long in definitions(text))
        for short, folded, long in pairs:
            spellings[short, folded][long] += 1
        counts.update({(short, folded) for short, folded, _ in pairs})
    listed = {fold(meaning.abbreviation) for meaning in abbreviations(given.lang)}
    print("abbreviation", "expansion", "documents", "listed", sep="\t")
    for pair, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count >= given.documents:
            (long, _), *_ = spellings[pair].most_common(1)
            print(pair[0], long, count, "yes" if fold(pair[0]) in listed else "no", sep="\t")


def documents(folder: Path) -> Iterator[str]:
    """The texts of a folder, in the order of its file names."""
    for path in sorted(folder.iterdir()):
        name = without_compression(path.name)
        if name.endswith(".jsonl"):
            yield from read_texts(path)
        elif name.endswith(".txt"):
            yield "".join(read_texts(path))


if __name__ == "__main__":
    main()
