"""What cleaning did to the names: counts for each step, with examples."""

from __future__ import annotations

from typing import Any

# Every step in the order in which a name meets it, and what it says of itself.
STEPS = {
    "read": "names read",
    "systematic": "chemists' names left out",
    "qualified": "names with a qualification after a comma left out",
    "pack": "package after an asterisk taken off",
    "bracket": "text in brackets taken off",
    "dose": "doses and strengths taken off",
    "form": "forms and routes taken off",
    "company": "companies taken off",
    "order": "words put into their usual order",
    "combination": "combinations also split into their parts",
    "salt": "names also kept without their salt",
    "number": "groups also kept in the singular",
    "latin": "Latin spellings of a name left out",
    "short": "too short names left out",
    "unit": "units left out",
    "generic": "words for any drug left out",
    "duplicate": "repeated names joined",
    "part": "parts of combinations that nobody gives a code left out",
    "code": "codes found by the substance",
    "source id": "names without a code, with the registry's own id",
    "common": "common words left out",
    "abbreviation": "abbreviations of other things left out",
    "ambiguous": "names with several codes",
    "kept": "names kept, each spelling of accents and hyphens for one",
}


class Report:
    """Counts and examples of the steps of `STEPS`.

    The examples are the first of each step, then fewer and fewer, so that they come from the whole
    of it without any being drawn by chance.
    """

    def __init__(self) -> None:
        self.counts = dict.fromkeys(STEPS, 0)
        self.examples: dict[str, list[str]] = {step: [] for step in STEPS}

    def note(self, step: str, before: str, after: str = "") -> None:
        """Count a name that a step changed or left out.

        step (str): The step.
        before (str): The name before it.
        after (str): What became of it, "" where that is nothing.
        """
        self.counts[step] += 1
        count = self.counts[step]
        if count & (count - 1) == 0:
            self.examples[step].append(f"{before} → {after}" if after else before)

    def table(self) -> str:
        """Every step in a line of its own, with its latest examples."""
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
