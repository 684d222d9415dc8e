"""Small pictures as inline SVG. Colours are those of the labels in ``view.css``; systems differ in
their marks and dashes, so that the pictures are legible without colour and in print.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

Place = tuple[float, float]

# The marks of systems, the first filled.
SHAPES = ("circle", "square", "triangle", "diamond")
WIDTH, HEIGHT = 310, 250
LEFT, RIGHT_EDGE, TOP, BOTTOM = 36, 300, 20, 212
BAR_WIDTH = 132


class Line(NamedTuple):
    """A line of a system. marked (Mapping[Place, float]): Its places with a mark, of which size."""

    system: int
    places: Sequence[Place]
    marked: Mapping[Place, float]


def mark(system: int, x: float, y: float, size: float = 4) -> str:
    """The mark of a system at a place."""
    s = size
    shape = SHAPES[system % len(SHAPES)]
    if shape == "circle":
        drawn = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{s:g}"'
    else:
        corners = {
            "square": ((-s, -s), (s, -s), (s, s), (-s, s)),
            "triangle": ((0, -s * 1.2), (s * 1.1, s), (-s * 1.1, s)),
            "diamond": ((0, -s * 1.3), (s * 1.3, 0), (0, s * 1.3), (-s * 1.3, 0)),
        }[shape]
        points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
        drawn = f'<polygon points="{points}"'
    return f'{drawn} class="mark s{system % len(SHAPES)}"/>'


def legend_mark(system: int) -> str:
    """The mark of a system beside its name."""
    line = f'<path d="M1 7H29" class="line s{system % len(SHAPES)}"/>'
    return _svg(30, 14, line + mark(system, 15, 7), "")


def interval(system: int, value: float, around: Place, lowest: float) -> str:
    """A value and the interval around it on a scale from `lowest` to 1."""
    low, high = around

    def x(number: float) -> float:
        return 6 + 148 * (max(number, lowest) - lowest) / (1 - lowest)

    ticks = "".join(f'<path d="M{x(one):.1f} 0V18" class="grid"/>' for one in ticks_of(lowest))
    whisker = f'<path d="M{x(low):.1f} 9H{x(high):.1f}" class="whisker"/>'
    text = f"{value:.3f}, 95 % interval {low:.3f} to {high:.3f}"
    return _svg(160, 18, ticks + whisker + mark(system, x(value), 9), text)


def scale(lowest: float) -> str:
    """The numbers above a column of intervals."""
    places = [(6 + 148 * (one - lowest) / (1 - lowest), one) for one in ticks_of(lowest)]
    drawn = "".join(
        f'<text x="{x:.1f}" y="11" text-anchor="{"middle" if one < 1 else "end"}">{one:g}</text>'
        for x, one in places
    )
    return _svg(160, 14, drawn, f"scale from {lowest:g} to 1")


def share(value: float, system: int = 0) -> str:
    """A share of 1 as a bar of a system."""
    drawn = '<rect width="80" height="8" y="3" class="track"/>'
    kind = f"bar s{system % len(SHAPES)}"
    drawn += f'<rect width="{80 * value:.1f}" height="8" y="3" class="{kind}"/>'
    return _svg(80, 14, drawn, f"{value:.0%}")


def plot(
    lines: Iterable[Line],
    axes: tuple[str, str],
    starts: tuple[float, float],
    text: str,
    *,
    diagonal: bool = False,
) -> str:
    """A plot of lines from `starts` to 1 on both axes.

    text (str): What it shows, for those who do not see it.
    """
    left, bottom = starts

    def place(x: float, y: float) -> Place:
        across = (max(x, left) - left) / (1 - left)
        up = (max(y, bottom) - bottom) / (1 - bottom)
        return LEFT + (RIGHT_EDGE - LEFT) * across, BOTTOM - (BOTTOM - TOP) * up

    drawn = []
    for tick in ticks_of(left):
        x, _ = place(tick, 1)
        drawn.append(f'<path d="M{x:.1f} {TOP}V{BOTTOM}" class="grid"/>')
        drawn.append(f'<text x="{x:.1f}" y="{BOTTOM + 14}" text-anchor="middle">{tick:g}</text>')
    for tick in ticks_of(bottom):
        _, y = place(1, tick)
        drawn.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT_EDGE}" class="grid"/>')
        drawn.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    if diagonal:
        lowest = max(left, bottom)
        (x0, y0), (x1, y1) = place(lowest, lowest), place(1, 1)
        drawn.append(f'<path d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" class="ideal"/>')
    for line in lines:
        places = [place(*one) for one in line.places]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        if len(places) > 1:
            drawn.append(f'<path d="M{path}" class="line s{line.system % len(SHAPES)}"/>')
        drawn += [mark(line.system, *place(*one), size) for one, size in line.marked.items()]
    middle = (LEFT + RIGHT_EDGE) / 2
    drawn.append(f'<text x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">{axes[0]}</text>')
    drawn.append(f'<text x="0" y="9">{axes[1]}</text>')
    return _svg(WIDTH, HEIGHT, "".join(drawn), text)


def bars(rows: Sequence[tuple[str, Sequence[int]]], text: str) -> str:
    """Horizontal bars: for each row its name, and the number of each system."""
    most = max((number for _, numbers in rows for number in numbers), default=0) or 1
    drawn, y = [], 2
    for name, numbers in rows:
        height = 11 * len(numbers)
        middle = y + height / 2 + 4
        drawn.append(f'<text x="128" y="{middle:.1f}" text-anchor="end">{html.escape(name)}</text>')
        for system, number in enumerate(numbers):
            top = y + 11 * system
            width = BAR_WIDTH * number / most
            kind = f"bar s{system % len(SHAPES)}"
            drawn.append(
                f'<rect x="134" y="{top + 1}" width="{width:.1f}" height="9" class="{kind}"/>'
                f'<text x="{140 + width:.1f}" y="{top + 9.5}" class="number">{number:,}</text>'
            )
        y += height + 7
    return _svg(WIDTH, y, "".join(drawn), text)


def histogram(values: Sequence[Sequence[float]], text: str) -> str:
    """The numbers of values from 0 to 1 in ten bins, a column per system."""
    counts = [[0] * 10 for _ in values]
    for numbers, ones in zip(counts, values, strict=True):
        for one in ones:
            numbers[min(9, int(one * 10))] += 1
    most = max(map(max, counts), default=0) or 1
    step, high = (RIGHT_EDGE - LEFT) / 10, BOTTOM - TOP
    thick = (step - 4) / max(1, len(values))
    drawn = [f'<path d="M{LEFT} {BOTTOM}H{RIGHT_EDGE}M{LEFT} {TOP}H{RIGHT_EDGE}" class="grid"/>']
    for y, number in ((BOTTOM, 0), (TOP, most)):
        drawn.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{number}</text>')
    for system, numbers in enumerate(counts):
        for place, number in enumerate(numbers):
            x, height = LEFT + place * step + 2 + system * thick, high * number / most
            drawn.append(
                f'<rect x="{x:.1f}" y="{BOTTOM - height:.1f}" width="{thick - 1:.1f}" '
                f'height="{height:.1f}" class="bar s{system % len(SHAPES)}"/>'
            )
    for tick in range(0, 11, 2):
        x = LEFT + tick * step
        drawn.append(
            f'<text x="{x:.1f}" y="{BOTTOM + 14}" text-anchor="middle">{tick / 10:g}</text>'
        )
    middle = (LEFT + RIGHT_EDGE) / 2
    drawn.append(f'<text x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">F1</text>')
    drawn.append('<text x="0" y="9">documents</text>')
    return _svg(WIDTH, HEIGHT, "".join(drawn), text)


def ticks_of(lowest: float) -> list[float]:
    """Round numbers from `lowest` to 1, at most six."""
    step = next(one for one in (0.05, 0.1, 0.2, 0.25) if (1 - lowest) / one <= 5.001)
    first = math.ceil(lowest / step - 1e-9)
    return [round(number * step, 2) for number in range(first, round(1 / step) + 1)]


def start_of(values: Iterable[float]) -> float:
    """Where a scale starts that holds the values: a round number, at most 0.9."""
    return max(0.0, min(0.9, math.floor(min(values, default=0.0) * 10 - 1e-9) / 10))


def _svg(width: int, height: int, drawn: str, text: str) -> str:
    meaning = f'role="img" aria-label="{html.escape(text)}"' if text else 'aria-hidden="true"'
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" {meaning}>'
        f"{drawn}</svg>"
    )
