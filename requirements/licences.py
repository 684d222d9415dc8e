"""Writes the licences of the packages that requirements/ lists: `make licences`.

A licence is read from the installed package. One that is not installed here, because another
version of Python needs it, keeps its row.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/reference/licences.md"
HEAD = """# Licences

The packages that `make` installs, with their licences as the packages state them. `run` is what the
package needs, and to train; `test` adds the other extras and tools for development; `trf` and
`torch` or `torch-cpu` are the transformer family. The CUDA libraries that some builds of torch
bring are under NVIDIA's licences. medSpaCy, for negation and context, brings unidecode, which is
under the GPL.

`make licences` writes this page from [requirements](../../requirements).

| Package | Licence | Lists |
|---|---|---|
"""


def listed() -> dict[str, list[str]]:
    """Packages by name, with the lists that have them."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        for name in re.findall(r"^([a-z0-9][\w.-]*)==", path.read_text(), re.MULTILINE):
            if path.stem not in found.setdefault(name, []):
                found[name].append(path.stem)
    return dict(sorted(found.items()))


def written() -> dict[str, str]:
    """Licences of the page, by the name of the package."""
    if not PAGE.exists():
        return {}
    return dict(re.findall(r"^\| ([a-z0-9][\w.-]*) \| (.+?) \|", PAGE.read_text(), re.MULTILINE))


def licence_of(stated: PackageMetadata) -> str:
    """The licence that a package states: an expression, classifiers, or the first line of text."""
    if expression := stated.get("License-Expression"):
        return expression
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in stated.get_all("Classifier") or ()
        if text.startswith("License :: ") and not text.endswith("OSI Approved")
    ]
    lines = (stated.get("License") or "").strip().splitlines() or ["not stated"]
    return ", ".join(classifiers) or lines[0].replace("|", "/")


def main() -> None:
    """Write the page. Exits with a message if a licence is neither installed nor written."""
    before = written()
    rows, missing = [], []
    for name, lists in listed().items():
        try:
            licence = licence_of(metadata(name))
        except PackageNotFoundError:
            licence = before.get(name, "")
        if licence:
            rows.append(f"| {name} | {licence} | {', '.join(lists)} |\n")
        else:
            missing.append(name)
    if missing:
        sys.exit(f"not installed, and not on the page yet: {', '.join(missing)}")
    PAGE.write_text(HEAD + "".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
