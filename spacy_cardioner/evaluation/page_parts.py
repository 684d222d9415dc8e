"""A part of the report, such as a language: systems side by side, sections and curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spacy_cardioner.evaluation import charts
from spacy_cardioner.evaluation.analysis import ALL
from spacy_cardioner.evaluation.page_errors import (
    draw_confusion,
    draw_documents,
    draw_errors,
    draw_examples,
    draw_names,
    draw_published,
    draw_traits,
)
from spacy_cardioner.evaluation.pieces import (
    Data,
    class_of,
    difference_cells,
    escaped,
    label_tag,
    panel,
    part_name,
    system_cell,
    system_head,
    table,
    write_section,
)

HEADINGS = {
    "errors": "Errors by kind",
    "curves": "Thresholds and calibration",
    "comparison": "Side by side",
    "sections": "By section",
    "names": "Seen and unseen names",
    "traits": "What makes entities hard",
    "published": "Errors that others reported",
    "confusion": "Confusion of labels",
    "documents": "Documents",
    "examples": "The most frequent errors",
}


def _title(part: Data, heading: str, several: bool) -> str:
    return f"{HEADINGS[heading]}: {part_name(part)}" if several else HEADINGS[heading]


def _present(part: Data) -> list[str]:
    """The headings that a part has something for."""
    systems = part["systems"]
    present = {
        "comparison": part["comparisons"],
        "sections": any(system["sections"] for system in systems),
        "curves": any(any(system.get("curves", {}).values()) for system in systems),
        "names": any(system.get("names") for system in systems),
        "published": any(system["published"] for system in systems),
        "confusion": len(part["labels"]) > 1,
        "examples": any(any(system.get("examples", {}).values()) for system in systems),
    }
    return [heading for heading in HEADINGS if present.get(heading, True)]


def titles_of(part: Data, several: bool) -> list[str]:
    """The titles of a part, which names itself if there are several."""
    return [_title(part, heading, several) for heading in _present(part)]


def draw_part(part: Data, data: Data, *, several: bool) -> Iterator[str]:
    """All that the report says of a part."""
    draw = {
        "comparison": _comparisons,
        "sections": _sections,
        "curves": _curves,
        "names": draw_names,
        "errors": draw_errors,
        "traits": draw_traits,
        "published": draw_published,
        "confusion": draw_confusion,
        "documents": draw_documents,
        "examples": draw_examples,
    }
    for heading in _present(part):
        body = draw[heading](part, data)
        yield from write_section(_title(part, heading, several), *body)


def _comparisons(part: Data, data: Data) -> Iterator[str]:
    yield (
        '<p class="about">Differences of F1 on the same documents, by a paired bootstrap. In bold: '
        "the choice of documents does not explain the difference.</p>\n"
    )
    for comparison in part["comparisons"]:
        one, other = map(escaped, comparison["systems"])
        rows = []
        for label, scores in comparison["labels"].items():
            found = comparison["found"].get(label)
            numbers = [f"{found[key]:,}" for key in found] if found else [""] * 4
            rows.append(
                ([label_tag(label), *difference_cells(scores), *numbers], [class_of(label)])
            )
        header = ["F1", one, other, "difference", "95 %"]
        header += ["found by both", f"only {one}", f"only {other}", "by none"]
        yield table(header, rows)
        rows = [
            (
                [
                    escaped(row["document"]),
                    f"{row['gold']:,}",
                    *map(str, row["errors"]),
                    f"{row['difference']:+}",
                ],
                [],
            )
            for row in comparison["documents"]
        ]
        if rows:
            yield "<h3>Documents in which they differ most</h3>\n"
            yield table(
                ["document", "gold", f"errors of {one}", f"errors of {other}", "difference"], rows
            )


def _sections(part: Data, data: Data) -> Iterator[str]:
    yield (
        '<p class="about">Strict F1 of the entities that start in each section; below it the 95 % '
        "interval and the number of gold entities. Sections are found by their titles.</p>\n"
    )
    labels = [*part["labels"], *([ALL] if ALL in part["systems"][0]["scores"]["strict"] else [])]
    categories = dict.fromkeys(c for system in part["systems"] for c in system["sections"])
    rows = []
    for category in categories:
        for number, system in enumerate(part["systems"]):
            cells = [escaped(category.replace("_", " ")) if number == 0 else ""]
            cells += system_cell(data["systems"], number)
            for label in labels:
                scores = system["sections"].get(category, {}).get(label)
                cells.append(_of_section(scores))
            rows.append((cells, ["first"] * (number == 0)))
    header = ["section", *system_head(data["systems"]), *map(label_tag, labels)]
    yield table(header, rows)


def _of_section(scores: Data | None) -> str:
    if scores is None:
        return ""
    low, high = scores["interval"]["f1"]
    about = f"{low:.2f} to {high:.2f}, {scores['counts']['gold']:,}"
    return f'{scores["f1"]:.3f}<br><span class="interval">{about}</span>'


def _curves(part: Data, data: Data) -> Iterator[str]:
    threshold = data["settings"]["threshold"]
    chosen = "the lowest score that was given" if threshold is None else f"{threshold:g}"
    yield (
        '<p class="about">Precision and recall while the threshold of the score falls. The mark is '
        f"the threshold of this report ({chosen}). Calibration: of the entities with a score of "
        "about 0.8, eight of ten should be right; below the dotted line, scores are too high. "
        "Large marks stand for many entities.</p>\n"
        '<h3>Precision and recall</h3>\n<div class="panels">\n'
    )
    for label in part["labels"]:
        found = [
            (number, points)
            for number, system in enumerate(part["systems"])
            if (points := system.get("curves", {}).get(label))
        ]
        if found:
            yield panel(label, _curve(label, found, threshold))
    yield '</div>\n<h3>Calibration</h3>\n<div class="panels">\n'
    for label in part["labels"]:
        lines = [
            _calibrated(number, made)
            for number, system in enumerate(part["systems"])
            if (made := system.get("calibration", {}).get(label))
        ]
        if lines:
            start = charts.start_of(
                value for line in lines for place in line.places for value in place
            )
            axes = ("mean score", "right")
            drawn = charts.plot(
                lines, axes, (start, start), f"calibration of {label}", diagonal=True
            )
            yield panel(label, drawn)
    yield "</div>\n"
    rows = []
    for label in part["labels"]:
        for number, system in enumerate(part["systems"]):
            if points := system.get("curves", {}).get(label):
                best = max(points, key=lambda point: point["f1"])
                now = _at(points, threshold)
                error = system["calibration"][label]["error"]
                cells = [
                    label_tag(label),
                    *system_cell(data["systems"], number),
                    f"{now['f1']:.3f}",
                ]
                cells += [f"{best['threshold']:.2f}", f"{best['f1']:.3f}", f"{error:.3f}"]
                rows.append((cells, [class_of(label)]))
    header = ["", *system_head(data["systems"]), "F1"]
    header += ["threshold of the best F1", "best F1", "expected calibration error"]
    yield table(header, rows)
    yield (
        '<p class="about">The best threshold was chosen on these documents: on others it is worth '
        "less.</p>\n"
    )


def _calibrated(system: int, made: Data) -> charts.Line:
    """The bins of a system. The area of a mark is the share of its entities."""
    sizes = {
        (one["score"], one["right"]): 1.5 + 5 * (one["entities"] / made["entities"]) ** 0.5
        for one in made["bins"]
    }
    return charts.Line(system, list(sizes), sizes)


def _at(points: Sequence[Data], threshold: float | None) -> Data:
    """The point of the chosen threshold: the last that does not lie above it."""
    return next(
        (point for point in reversed(points) if point["threshold"] <= (threshold or 0.0)), points[0]
    )


def _curve(label: str, found: Sequence[tuple[int, Sequence[Data]]], threshold: float | None) -> str:
    lines = []
    for number, points in found:
        places = [(point["recall"], point["precision"]) for point in points]
        now = _at(points, threshold)
        lines.append(charts.Line(number, places, {(now["recall"], now["precision"]): 4}))
    starts = [
        charts.start_of(point[axis] for _, points in found for point in points)
        for axis in ("recall", "precision")
    ]
    axes = ("recall", "precision")
    return charts.plot(lines, axes, (starts[0], starts[1]), f"precision and recall of {label}")
