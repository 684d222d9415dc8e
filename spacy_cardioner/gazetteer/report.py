"""What each step of the build did: counts with examples."""

from __future__ import annotations

from typing import Any

# All steps, in the order in which a name passes through them.
STEPS = {
    "read": "names read",
    "systematic": "systematic chemical names dropped",
    "qualified": "names with a qualifier after a comma dropped",
    "pack": "packages after an asterisk removed",
    "bracket": "text in brackets removed",
    "dose": "doses and strengths removed",
    "form": "forms and routes removed",
    "company": "companies removed",
    "order": "words put into their usual order",
    "combination": "combinations also split into their parts",
    "salt": "names also added without their salt",
    "number": "groups also added in the singular",
    "latin": "Latin spellings dropped",
    "short": "names that are too short dropped",
    "unit": "units dropped",
    "generic": "words for any drug dropped",
    "duplicate": "repeated names merged",
    "part": "parts of combinations without a code dropped",
    "code": "codes found through the substance",
    "source id": "names without a code, which get the id of a registry",
    "common": "common words dropped",
    "abbreviation": "abbreviations of other terms dropped",
    "ambiguous": "names with several codes",
    "kept": "names kept, counting each spelling of accents and hyphens",
}


class Report:
    """Counts and examples of the steps in `STEPS`.

    The examples are the 1st, 2nd, 4th, 8th name and so on of a step, so that they come from all
    registries and are always the same.
    """

    def __init__(self) -> None:
        self.counts = dict.fromkeys(STEPS, 0)
        self.examples: dict[str, list[str]] = {step: [] for step in STEPS}

    def note(self, step: str, before: str, after: str = "") -> None:
        """Count a name that a step changed, or dropped if there is none after it."""
        self.counts[step] += 1
        if self.counts[step].bit_count() == 1:
            self.examples[step].append(f"{before} → {after}" if after else before)

    def table(self) -> str:
        """The counts, one step per line, each followed by its latest examples."""
        lines = []
        for step, what in STEPS.items():
            lines.append(f"{self.counts[step]:>9,}  {what}")
            lines += [f"{'':>13}{example}" for example in self.examples[step][-3:]]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The report as data."""
        return {
            step: {"what": what, "count": self.counts[step], "examples": self.examples[step]}
            for step, what in STEPS.items()
        }
