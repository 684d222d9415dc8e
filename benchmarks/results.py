"""Print the table of cross-validated results of the workflows crossval and release.

Usage: python benchmarks/results.py METRICS_FOLDER

Reads the files ``FAMILY_PIPELINE_LABEL_LANGUAGE_SCHEME.json`` that `cardioner evaluate -o` wrote.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

SCHEMES = {
    "one-stage": "one stage",
    "two-stage": "two stages",
    "members": "two stages, four side by side",
}


def read(folder: Path) -> dict[tuple[str, str, str, str], dict[str, dict[str, Any]]]:
    """Results by (label, language, family, pipeline), then by scheme."""
    rows: dict[tuple[str, str, str, str], dict[str, dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.json")):
        family, pipeline, label, language, scheme = path.stem.split("_", maxsplit=4)
        if scheme in SCHEMES:
            report = json.loads(path.read_text(encoding="utf-8"))
            rows.setdefault((label, language, family, pipeline), {})[scheme] = report
    return rows


def cell(report: dict[str, Any]) -> str:
    """P / R / F1 with the interval of F1."""
    strict = report["strict"]["micro"]
    low, high = strict["interval"]["f1"]
    return (
        f"{strict['precision']:.3f} / {strict['recall']:.3f} / **{strict['f1']:.3f}** "
        f"({low:.3f} to {high:.3f})"
    )


def main() -> int:
    """Print the table; 1 where there is nothing to print."""
    folder = Path(sys.argv[1]) if len(sys.argv) == 2 else None
    if folder is None:
        print(__doc__, file=sys.stderr)
        return 2
    rows = read(folder)
    if not rows:
        print(f"error: {folder}: no cross-validated figures", file=sys.stderr)
        return 1
    schemes = [scheme for scheme in SCHEMES if any(scheme in found for found in rows.values())]
    print(
        "| entities | language | pipeline | "
        + " | ".join(SCHEMES[scheme] for scheme in schemes)
        + " |"
    )
    print("|---|---|---|" + "---|" * len(schemes))
    for (label, language, family, pipeline), reports in sorted(rows.items()):
        cells = [cell(reports[scheme]) if scheme in reports else "" for scheme in schemes]
        print(f"| {label} | {language} | {pipeline} {family} | " + " | ".join(cells) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
