"""The pieces of the page of a report: tables, labels, names and numbers as HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spacy_cardioner.errors import plain
from spacy_cardioner.evaluation import charts
from spacy_cardioner.evaluation.analysis import ALL, MACRO
from spacy_cardioner.evaluation.mistakes import NOTHING
from spacy_cardioner.view import colour_of

LANGUAGES = {"es": "Spanish", "en": "English", "it": "Italian"}

Data = Mapping[str, Any]
# The cells of a row, which are HTML, and its classes.
Row = tuple[Sequence[str], Sequence[str]]
# What a coloured cell shows, its share of the row, and whether the label is right.
Cell = tuple[str, float, bool]


def write_section(title: str, *body: str) -> Iterator[str]:
    """A section with its heading."""
    yield f'<section>\n<h2 id="{anchor_of(title)}">{escaped(title)}</h2>\n'
    yield from body
    yield "</section>\n"


def anchor_of(title: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower())


def key_of(systems: Sequence[str]) -> str:
    """The marks of the systems, if there are several."""
    if len(systems) == 1:
        return ""
    items = (f"<li>{charts.legend_mark(n)}{escaped(name)}</li>" for n, name in enumerate(systems))
    return f'<ul class="key plain" aria-label="Systems">{"".join(items)}</ul>\n'


def panel(label: str, drawn: str) -> str:
    """A picture of a label."""
    title = f"<figcaption>{escaped(label)}</figcaption>"
    return f'<figure class="panel l{colour_of(label)}">{title}{drawn}</figure>\n'


def table(header: Sequence[str], rows: Sequence[Row]) -> str:
    """A table, or nothing if it has no row."""
    if not rows:
        return ""
    drawn = "".join(
        f'<tr class="{" ".join(classes)}">{_cells(cells, len(header))}</tr>\n'
        for cells, classes in rows
    )
    return f'<div class="wide"><table>\n{_header(header)}<tbody>\n{drawn}</tbody></table></div>\n'


def _header(header: Sequence[str]) -> str:
    first, *others = header
    cells = "".join(f'<th scope="col">{cell}</th>' for cell in others)
    return f'<thead><tr><th scope="col" class="name">{first}</th>{cells}</tr></thead>\n'


def _cells(cells: Sequence[str], width: int) -> str:
    first, *others = cells
    span = f' colspan="{width}"' if not others else ""
    return f'<th scope="row"{span}>{first}</th>' + "".join(f"<td>{cell}</td>" for cell in others)


def heat_table(header: Sequence[str], rows: Sequence[tuple[str, Sequence[Cell], str]]) -> str:
    """A table whose cells are coloured by a share. Of each row its name, cells and class."""
    drawn = []
    for name, cells, kind in rows:
        tags = "".join(
            f'<td class="{"same" * same}" style="--share:{60 * share:.0f}%">{shown}</td>'
            for shown, share, same in cells
        )
        drawn.append(f'<tr class="{kind}"><th scope="row">{name}</th>{tags}</tr>\n')
    body = f"{_header(header)}<tbody>\n{''.join(drawn)}</tbody>"
    return f'<div class="wide"><table class="heat">\n{body}</table></div>\n'


def label_tag(label: str, name: str = "") -> str:
    """A label with its colour."""
    if label in (ALL, MACRO):
        return escaped(name or label)
    swatch = f'<span class="l{colour_of(label)}"><span class="swatch"></span></span>'
    return swatch + escaped(name or label)


def class_of(label: str) -> str:
    """The class of the style that has the colour of a label."""
    return "plain" if label in (ALL, MACRO, NOTHING) else f"l{colour_of(label)}"


def system_cell(systems: Sequence[str], number: int) -> list[str]:
    """The cell with the name of a system, if there are several."""
    return [f'<span class="name">{escaped(systems[number])}</span>'] if len(systems) > 1 else []


def system_head(systems: Sequence[str]) -> list[str]:
    """The heading above `system_cell`."""
    return ['<span class="name">system</span>'] if len(systems) > 1 else []


def part_name(part: Data) -> str:
    """What to call a part: its language and split."""
    named = [LANGUAGES.get(part["lang"], part["lang"]), part["split"]]
    return ", ".join(filter(None, named))


def figure_cells(scores: Data) -> list[str]:
    """Precision, recall, F1, and the numbers of gold entities, predictions and right ones."""
    counts = scores["counts"] or {}
    numbers = [f"{counts[key]:,}" if counts else "" for key in ("gold", "predicted", "right")]
    return [
        f"{scores['precision']:.3f}",
        f"{scores['recall']:.3f}",
        f"{scores['f1']:.3f}",
        *numbers,
    ]


def interval_text(scores: Data) -> str:
    """The interval of F1."""
    low, high = scores["interval"]["f1"]
    return f"{low:.3f} to {high:.3f}"


def difference_cells(one: Data) -> list[str]:
    """The cells of a comparison: both values, the difference and its interval."""
    low, high = one["interval"]
    text = f"{one['difference']:+.3f}"
    certain = low > 0 or high < 0
    difference = f'<span class="certain">{text}</span>' if certain else text
    interval = f'<span class="interval">{low:+.3f} to {high:+.3f}</span>'
    return [f"{one['first']:.3f}", f"{one['second']:.3f}", difference, interval]


def counted(number: int, unit: str, units: str = "") -> str:
    """A number and what it counts. units (str): The plural, if it is not that with an "s"."""
    return f"{number:,} {unit if number == 1 else units or unit + 's'}"


def escaped(value: object) -> str:
    """Text of the input as the content of an element: what is not seen is spelled out."""
    return html.escape(plain(re.sub(r"[\t\r\n]", " ", str(value))))
