"""The report as one HTML page, drawn from what `analysis` returns. It has no script, and loads nothing."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from spacy_cardioner.errors import plain
from spacy_cardioner.evaluation import charts
from spacy_cardioner.evaluation.analysis import ALL, MACRO
from spacy_cardioner.evaluation.mistakes import (
    BORDERS,
    LABEL,
    LABEL_AND_BORDER,
    MISSED,
    NOTHING,
    SPURIOUS,
)
from spacy_cardioner.evaluation.traits import GROUPS
from spacy_cardioner.files import RESOURCES
from spacy_cardioner.view import PAGE_FOOT, colour_of, page_head

LANGUAGES = {"es": "Spanish", "en": "English", "it": "Italian"}
# Documents that are listed before the others are folded away.
WORST = 12
SCORES = ("precision", "recall", "F1", "gold", "predicted", "right")

Data = Mapping[str, Any]


def render_page(data: Data, twin: str = "") -> str:
    """Draw a report.

    data (Mapping[str, Any]): What `analysis.analyse` returned.
    twin (str): Name of the file with the same figures as JSON.
    RETURNS (str): An HTML page.
    """
    style = (RESOURCES / "report.css").read_text(encoding="utf-8")
    title = "Report: " + " and ".join(data["systems"])
    drawn = [page_head(title, style), '<div class="cardioner report">\n', *_start(data, twin)]
    drawn += _section("Scores", *_scores(data))
    if data["gaps"]:
        drawn += _section("From one split to the next", *_gaps(data))
    for part in data["parts"]:
        drawn += _part(part, data, several=len(data["parts"]) > 1)
    drawn += _section("Notes", *_notes(data, twin))
    return "".join([*drawn, "</div>\n", PAGE_FOOT])


def _start(data: Data, twin: str) -> Iterator[str]:
    parts, settings = data["parts"], data["settings"]
    documents = sum(len(part["documents"]) for part in parts)
    gold = sum(part["gold"] for part in parts)
    lead = f"{_number(documents, 'document')}, {_number(gold, 'gold entity', 'gold entities')}"
    yield (
        f'<p class="lead">{lead}. Strict scores: document, offsets, label and text agree. '
        f"Intervals are 95 % of {settings['resamples']:,} resamples of documents.</p>\n"
    )
    if data["shows_text"]:
        yield '<p class="warning">This page quotes notes. They are patients\' data.</p>\n'
    titles = ["Scores", *(["From one split to the next"] if data["gaps"] else [])]
    titles += [title for part in parts for title in _titles(part, len(parts) > 1)]
    links = (f'<a href="#{_anchor(title)}">{_text(title)}</a>' for title in [*titles, "Notes"])
    yield f'<nav aria-label="Contents">{"".join(links)}</nav>\n'
    yield _key(data["systems"])
    yield '<div class="cards">\n'
    for part in parts:
        for label in part["labels"]:
            yield _card(part, label, several=len(parts) > 1)
    yield "</div>\n"


def _card(part: Data, label: str, *, several: bool) -> str:
    lines = []
    for number, system in enumerate(part["systems"]):
        scores = system["scores"]["strict"][label]
        mark = charts.legend_mark(number) if len(part["systems"]) > 1 else ""
        lines.append(
            f"<div>{mark}<strong>{scores['f1']:.3f}</strong> <span>{_interval(scores)}</span></div>"
            f"<span>precision {scores['precision']:.3f}, recall {scores['recall']:.3f}</span>"
        )
    name = _text(f"{label} {_name(part)}" if several else label)
    return f'<div class="card l{colour_of(label)}"><h3>{name}: F1</h3>{"".join(lines)}</div>\n'


# --- Scores ---


def _scores(data: Data) -> Iterator[str]:
    rows, several, systems = [], len(data["parts"]) > 1, data["systems"]
    found = [
        scores["f1"]
        for part in data["parts"]
        for system in part["systems"]
        for scores in system["scores"]["strict"].values()
    ]
    lowest = charts.start_of([*found, 0.9])
    for part in data["parts"]:
        for label in part["systems"][0]["scores"]["strict"]:
            for number, system in enumerate(part["systems"]):
                scores = system["scores"]["strict"][label]
                name = f"{label} {_name(part)}" if several else label
                plot = charts.interval(number, scores["f1"], *scores["interval"]["f1"], lowest)
                cells = [_label(label, name) if number == 0 else "", *_system(systems, number)]
                cells += [f"<strong>{scores['f1']:.3f}</strong>"]
                cells += [f'<span class="interval">{_interval(scores)}</span>', plot]
                cells += [*_figures(scores)[:2], *_figures(scores)[3:]]
                rows.append((cells, ["first"] * (number == 0) + [_colour(label)]))
    header = ["", *_system(["system"] * len(systems), 0), "F1", "95 %"]
    header += [charts.scale(lowest), "precision", "recall", "gold", "predicted", "right"]
    yield _table(header, rows)
    yield (
        '<p class="about">“all” counts the entities of all labels; “macro” is the mean of the '
        "labels.</p>\n<details><summary>Overlapping and official scores</summary>\n"
        '<p class="about">Overlapping: the labels agree, and at least one character is shared. '
        "Official, as the scorer of MultiCardioNER counts: strict, without documents that have no "
        "gold entity.</p>\n"
    )
    for measure in ("overlapping", "official"):
        rows = []
        for part, number, system, label, scores in _each(data["parts"], measure):
            name = f"{label} {_name(part)}" if several else label
            cells = [_label(label, name) if number == 0 else "", *_system(systems, number)]
            cells += [*_figures(scores)[:3], _interval(scores), *_figures(scores)[3:]]
            rows.append((cells, ["first"] * (number == 0) + [_colour(label)]))
        header = [
            measure,
            *_system(["system"] * len(systems), 0),
            *SCORES[:3],
            "95 % of F1",
            *SCORES[3:],
        ]
        yield _table(header, rows)
    yield "</details>\n"


def _each(parts: Sequence[Data], measure: str) -> Iterator[tuple[Data, int, Data, str, Data]]:
    for part in parts:
        for label in part["systems"][0]["scores"][measure]:
            for number, system in enumerate(part["systems"]):
                yield part, number, system, label, system["scores"][measure][label]


def _gaps(data: Data) -> Iterator[str]:
    yield (
        '<p class="about">The F1 of a system on two splits, and the 95 % interval of the difference. '
        "Each split is resampled on its own. A system that was tuned on a split falls on the next."
        "</p>\n"
    )
    for gap in data["gaps"]:
        rows = [
            ([_label(label), *_difference(one)], [_colour(label)])
            for label, one in gap["labels"].items()
        ]
        header = [gap["system"], *gap["splits"], "difference", "95 %"]
        yield _table([_text(one) for one in header], rows)


# --- A part ---

HEADINGS = {
    "comparison": "Side by side",
    "sections": "By section",
    "curves": "Thresholds and calibration",
    "names": "Seen and unseen names",
    "errors": "Errors by kind",
    "traits": "What makes entities hard",
    "published": "Errors that others reported",
    "confusion": "Confusion of labels",
    "documents": "Documents",
    "examples": "The most frequent errors",
}


def _title(part: Data, heading: str, several: bool) -> str:
    return f"{HEADINGS[heading]}: {_name(part)}" if several else HEADINGS[heading]


def _present(part: Data) -> list[str]:
    """The headings that a part has something for."""
    systems = part["systems"]
    present = {
        "comparison": part["comparisons"],
        "sections": any(system["sections"] for system in systems),
        "curves": any(any(system.get("curves", {}).values()) for system in systems),
        "names": any("names" in system for system in systems),
        "published": any(system["published"] for system in systems),
        "confusion": len(part["labels"]) > 1,
        "examples": any(any(system.get("examples", {}).values()) for system in systems),
    }
    return [heading for heading in HEADINGS if present.get(heading, True)]


def _titles(part: Data, several: bool) -> list[str]:
    return [_title(part, heading, several) for heading in _present(part)]


def _part(part: Data, data: Data, *, several: bool) -> Iterator[str]:
    draw = {
        "comparison": _comparisons,
        "sections": _sections,
        "curves": _curves,
        "names": _names,
        "errors": _errors,
        "traits": _traits,
        "published": _published,
        "confusion": _confusion,
        "documents": _documents,
        "examples": _examples,
    }
    for heading in _present(part):
        body = draw[heading](part, data)
        yield from _section(_title(part, heading, several), *body)


def _comparisons(part: Data, data: Data) -> Iterator[str]:
    yield (
        '<p class="about">Differences of F1 on the same documents, by a paired bootstrap. In bold: '
        "the choice of documents does not explain the difference.</p>\n"
    )
    for comparison in part["comparisons"]:
        one, other = map(_text, comparison["systems"])
        rows = []
        for label, scores in comparison["labels"].items():
            found = comparison["found"].get(label)
            numbers = [f"{found[key]:,}" for key in found] if found else [""] * 4
            rows.append(([_label(label), *_difference(scores), *numbers], [_colour(label)]))
        header = ["F1", one, other, "difference", "95 %"]
        header += ["found by both", f"only {one}", f"only {other}", "by none"]
        yield _table(header, rows)
        rows = [
            (
                [
                    _text(row["document"]),
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
            yield _table(
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
            cells = [_text(category.replace("_", " ")) if number == 0 else ""]
            cells += _system(data["systems"], number)
            for label in labels:
                scores = system["sections"].get(category, {}).get(label)
                cells.append(_of_section(scores))
            rows.append((cells, ["first"] * (number == 0)))
    header = ["section", *_system(["system"] * len(data["systems"]), 0), *map(_label, labels)]
    yield _table(header, rows)


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
        "about 0.8, eight of ten should be right; below the dotted line, scores are too high. Large "
        "marks stand for many entities.</p>\n"
        '<h3>Precision and recall</h3>\n<div class="panels">\n'
    )
    for label in part["labels"]:
        found = [
            (number, points)
            for number, system in enumerate(part["systems"])
            if (points := system.get("curves", {}).get(label))
        ]
        if found:
            yield _panel(label, _curve(label, found, threshold))
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
            yield _panel(label, drawn)
    yield "</div>\n"
    rows = []
    for label in part["labels"]:
        for number, system in enumerate(part["systems"]):
            if points := system.get("curves", {}).get(label):
                best = max(points, key=lambda point: point["f1"])
                now = _at(points, threshold)
                error = system["calibration"][label]["error"]
                cells = [_label(label), *_system(data["systems"], number), f"{now['f1']:.3f}"]
                cells += [f"{best['threshold']:.2f}", f"{best['f1']:.3f}", f"{error:.3f}"]
                rows.append((cells, [_colour(label)]))
    header = ["", *_system(["system"] * len(data["systems"]), 0), "F1"]
    header += ["threshold of the best F1", "best F1", "expected calibration error"]
    yield _table(header, rows)
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


def _names(part: Data, data: Data) -> Iterator[str]:
    yield (
        '<p class="about">Recall on gold entities whose name stands in a text that the pipeline was '
        "trained on, and on the others.</p>\n"
    )
    rows = []
    for label in part["labels"]:
        for number, system in enumerate(part["systems"]):
            if "names" in system:
                cells = [_label(label) if number == 0 else "", *_system(data["systems"], number)]
                for which in ("seen", "unseen"):
                    one = system["names"][label][which]
                    cells += [
                        f"{one['recall']:.3f}",
                        charts.share(one["recall"], number),
                        f"{one['gold']:,}",
                    ]
                rows.append((cells, ["first"] * (number == 0) + [_colour(label)]))
    header = ["", *_system(["system"] * len(data["systems"]), 0), "seen: recall", "", "gold"]
    yield _table([*header, "unseen: recall", "", "gold"], rows)


def _errors(part: Data, data: Data) -> Iterator[str]:
    yield (
        '<p class="about">Gold entities that were not found, by what was predicted in their place; '
        "and spurious predictions, which share no gold entity that was not found. Border left: the "
        "start is wrong; right: the end; both. Split: several predictions in place of one entity. "
        "Merged: one prediction in place of several.</p>\n"
        '<div class="panels">\n'
    )
    for label in part["labels"]:
        kinds = dict.fromkeys(
            kind for system in part["systems"] for kind in system["errors"][label]
        )
        side = {kind: "predicted" if kind == SPURIOUS else "gold" for kind in kinds}
        rows = [
            (kind, [s["errors"][label].get(kind, {}).get(side[kind], 0) for s in part["systems"]])
            for kind in _in_order(kinds)
        ]
        yield _panel(label, charts.bars(rows, f"errors of {label} by kind") if rows else "no error")
    yield "</div>\n"


def _in_order(kinds: Iterable[str]) -> list[str]:
    order = [MISSED, SPURIOUS, *BORDERS, "split", "merged", LABEL, LABEL_AND_BORDER, "text"]
    return sorted(kinds, key=order.index)


def _traits(part: Data, data: Data) -> Iterator[str]:
    yield (
        '<p class="about">Recall of the gold entities and precision of the predictions with a trait. '
        "The first system shows its errors too.</p>\n"
    )
    systems = data["systems"]
    for label in part["labels"]:
        rows = []
        for group, traits in GROUPS.items():
            ours = [t for t in traits if any(t in s["traits"][label] for s in part["systems"])]
            if ours:
                rows.append(([group], ["group"]))
            rows += [(_of_trait(trait, part, label), [_colour(label)]) for trait in ours]
        header = ["", "gold"]
        names = [f" {_text(name)}" if len(systems) > 1 else "" for name in systems]
        header += [cell for name in names for cell in (f"recall{name}", "")]
        header += [f"precision{name}" for name in names]
        header += ["missed", "border", "spurious"]
        yield f"<details{' open' * (label == next(iter(part['documents'])))}><summary>{_label(label)}</summary>\n"
        yield _table(header, rows)
        yield "</details>\n"


def _of_trait(trait: str, part: Data, label: str) -> list[str]:
    rows = [system["traits"][label].get(trait) for system in part["systems"]]
    known = next(row for row in rows if row)
    cells = [trait, f"{known['gold']['number']:,}"]
    for number, row in enumerate(rows):
        gold = row["gold"] if row and row["gold"]["number"] else None
        cells += [_share(gold), charts.share(gold["share"], number) if gold else ""]
    for row in rows:
        cells.append(_share(row["predicted"]) if row and known["gold"]["number"] else "")
    kinds = rows[0]["gold"]["kinds"] if rows[0] else {}
    spurious = rows[0]["predicted"]["kinds"].get(SPURIOUS, 0) if rows[0] else 0
    border = sum(kinds.get(kind, 0) for kind in BORDERS)
    return [*cells, f"{kinds.get(MISSED, 0):,}", f"{border:,}", f"{spurious:,}"]


def _share(one: Data | None) -> str:
    return f"{one['share']:.3f}" if one and one["number"] else ""


def _published(part: Data, data: Data) -> Iterator[str]:
    yield (
        '<p class="about">What the authors of other systems for MultiCardioNER named as their '
        "errors, in these predictions.</p>\n"
    )
    for label, first in part["systems"][0]["published"].items():
        rows = []
        for name in first:
            for number, system in enumerate(part["systems"]):
                row = system["published"][label][name]
                gold, pred = row["gold"], row["predicted"]
                cells = [("all drugs" if name == "all" else name) if number == 0 else ""]
                cells += [*_system(data["systems"], number), f"{gold['number']:,}", _share(gold)]
                cells += [f"{pred['number']:,}", _share(pred), f"{gold['kinds'].get(MISSED, 0):,}"]
                cells += [f"{sum(gold['kinds'].get(kind, 0) for kind in BORDERS):,}"]
                cells += [f"{pred['kinds'].get(SPURIOUS, 0):,}"]
                rows.append((cells, ["first"] * (number == 0)))
        header = [_label(label), *_system(["system"] * len(data["systems"]), 0)]
        header += ["gold", "recall", "predicted", "precision", "missed", "border", "spurious"]
        yield _table(header, rows)
    rows = []
    for label in part["labels"]:
        for number, system in enumerate(part["systems"]):
            found = system["differences"][label]
            cells = [_label(label) if number == 0 else "", *_system(data["systems"], number)]
            cells += [f"{one:,}" for one in found.values()]
            rows.append((cells, ["first"] * (number == 0) + [_colour(label)]))
    named = list(part["systems"][0]["differences"][next(iter(part["labels"]))])
    yield "<h3>Entities with a wrong border</h3>\n"
    yield _table(["", *_system(["system"] * len(data["systems"]), 0), *named], rows)


def _confusion(part: Data, data: Data) -> Iterator[str]:
    yield (
        '<p class="about">Each row is a gold label: how many of its entities were found under which '
        "label, also with other borders, and how many were missed. The last row: predictions where "
        "nothing is annotated.</p>\n"
        '<div class="panels tables">\n'
    )
    labels = list(part["labels"])
    for system in part["systems"]:
        rows = []
        for label in [*labels, NOTHING]:
            row = system["confusion"].get(label, {})
            total = sum(row.values())
            cells = [_label(label) if label else "nothing"]
            for predicted in [*labels, NOTHING]:
                number = row.get(predicted, 0)
                text = f"{number:,}" if number else ("" if label == predicted == NOTHING else "0")
                cells.append((text, number / total if total else 0.0, predicted == label))
            rows.append((cells, [_colour(label)]))
        header = [_text(system["name"]) if len(data["systems"]) > 1 else "gold"]
        yield _heat([*header, *map(_label, labels), "missed"], rows)
    yield "</div>\n"


def _documents(part: Data, data: Data) -> Iterator[str]:
    systems, documents = part["systems"], part["documents"]
    values = [
        [one["f1"] for row in documents if (one := row["systems"][number])["f1"] is not None]
        for number in range(len(systems))
    ]
    yield (
        '<p class="about">The strict F1 of each document, of those with the most errors first. One '
        "without any entity, annotated or predicted, has none.</p>\n"
        '<div class="panels tables"><figure class="panel plain">'
        f"{charts.histogram(values, 'documents by F1')}</figure>\n<div>"
    )
    header = ["document", "gold"]
    for system in systems:
        of = f" {_text(system['name'])}" if len(systems) > 1 else ""
        header += [f"errors{of}", f"F1{of}", ""]
    rows = []
    for document in documents:
        cells = [_text(document["document"]), f"{document['gold']:,}"]
        for number, row in enumerate(document["systems"]):
            known = row["f1"] is not None
            cells += [f"{row['errors']:,}", f"{row['f1']:.3f}" if known else ""]
            cells.append(charts.share(row["f1"], number) if known else "")
        rows.append((cells, ["plain"]))
    yield _table(header, rows[:WORST])
    if rest := rows[WORST:]:
        yield f"<details><summary>{_number(len(rest), 'more document')}</summary>\n"
        yield _table(header, rest)
        yield "</details>\n"
    yield "</div></div>\n"


def _examples(part: Data, data: Data) -> Iterator[str]:
    yield (
        '<p class="about">The names with the most errors of each kind. What is annotated is '
        "underlined, what is predicted has a frame.</p>\n"
    )
    for system in part["systems"]:
        for label, kinds in system["examples"].items():
            of = f" of {_text(system['name'])}" if len(data["systems"]) > 1 else ""
            for kind in _in_order(kinds):
                yield f'<details class="l{colour_of(label)}"><summary>{_label(label)}{of}: {kind}</summary>\n'
                yield '<ol class="names">\n'
                for one in kinds[kind]:
                    yield f"<li>{_text(one['mention'])} ({one['number']})\n"
                    places = "".join(map(_place, one["places"]))
                    yield f'<ul class="places">{places}</ul></li>\n' if places else "</li>\n"
                yield "</ol></details>\n"


def _place(place: Data) -> str:
    quoted = "".join(
        f'<span class="{" ".join(["g"] * gold + ["p"] * pred)}">{_text(text)}</span>'
        for gold, pred, text in place["pieces"]
    )
    return f'<li>{_text(place["document"])}: <span class="quote">{quoted}</span></li>'


def _notes(data: Data, twin: str) -> Iterator[str]:
    settings = data["settings"]
    if data["remarks"]:
        items = "".join(f"<li>{_text(remark)}</li>" for remark in data["remarks"])
        yield f'<ul class="remarks">{items}</ul>\n'
    threshold = settings["threshold"]
    kept = (
        "all predictions count" if threshold is None else f"predictions from {threshold:g} on count"
    )
    yield (
        f'<p class="about">Seed {settings["seed"]}, {settings["resamples"]:,} resamples; {kept}. A '
        "gold entity counts as often as it occurs, a prediction once.</p>\n"
    )
    if "manifest" in data:
        rows = [
            ([_text(one["name"]), f"<code>{one['sha256'][:16]}</code>"], [])
            for one in data["manifest"]["inputs"]
        ]
        yield _table(["made from", "SHA-256"], rows)
        made = ", ".join(
            f"{name} {version}" for name, version in data["manifest"]["versions"].items()
        )
        yield f'<p class="about">{_text(made)}</p>\n'
    if twin:
        yield f'<p class="about">The same figures as JSON: {_text(twin)}</p>\n'


# --- Pieces ---


def _section(title: str, *body: str) -> Iterator[str]:
    yield f'<section>\n<h2 id="{_anchor(title)}">{_text(title)}</h2>\n'
    yield from body
    yield "</section>\n"


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower())


def _key(systems: Sequence[str]) -> str:
    """The marks of the systems, if there are several."""
    if len(systems) == 1:
        return ""
    items = (f"<li>{charts.legend_mark(n)}{_text(name)}</li>" for n, name in enumerate(systems))
    return f'<ul class="key plain" aria-label="Systems">{"".join(items)}</ul>\n'


def _panel(label: str, drawn: str) -> str:
    title = f"<figcaption>{_text(label)}</figcaption>"
    return f'<figure class="panel l{colour_of(label)}">{title}{drawn}</figure>\n'


def _table(header: Sequence[str], rows: Sequence[tuple[Sequence[str], Sequence[str]]]) -> str:
    """A table of cells that are HTML. Of each row its cells and its classes."""
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


def _heat(header: Sequence[str], rows: Sequence[tuple[Sequence[Any], Sequence[str]]]) -> str:
    """A table whose cells are coloured by their share of the row."""
    drawn = []
    for (first, *others), classes in rows:
        cells = "".join(
            f'<td class="{"same" * same}" style="--share:{min(60, 60 * share):.0f}%">{text}</td>'
            for text, share, same in others
        )
        drawn.append(f'<tr class="{" ".join(classes)}"><th scope="row">{first}</th>{cells}</tr>\n')
    body = "".join(drawn)
    return f'<div class="wide"><table class="heat">\n{_header(header)}<tbody>\n{body}</tbody></table></div>\n'


def _label(label: str, name: str = "") -> str:
    """A label with its colour."""
    if label in (ALL, MACRO):
        return _text(name or label)
    return f'<span class="l{colour_of(label)}"><span class="swatch"></span></span>{_text(name or label)}'


def _colour(label: str) -> str:
    return "plain" if label in (ALL, MACRO, NOTHING) else f"l{colour_of(label)}"


def _system(systems: Sequence[str], number: int) -> list[str]:
    """The cell with the name of a system, if there are several."""
    return [f'<span class="name">{_text(systems[number])}</span>'] if len(systems) > 1 else []


def _name(part: Data) -> str:
    """What to call a part: its language and split."""
    named = [LANGUAGES.get(part["lang"], part["lang"]), part["split"]]
    return ", ".join(filter(None, named))


def _figures(scores: Data) -> list[str]:
    counts = scores["counts"] or {}
    numbers = [f"{counts[key]:,}" if counts else "" for key in ("gold", "predicted", "right")]
    return [
        f"{scores['precision']:.3f}",
        f"{scores['recall']:.3f}",
        f"{scores['f1']:.3f}",
        *numbers,
    ]


def _interval(scores: Data) -> str:
    low, high = scores["interval"]["f1"]
    return f"{low:.3f} to {high:.3f}"


def _difference(one: Data) -> list[str]:
    """The cells of a comparison: both values, the difference and its interval."""
    low, high = one["interval"]
    text = f"{one['difference']:+.3f}"
    certain = low > 0 or high < 0
    difference = f'<span class="certain">{text}</span>' if certain else text
    interval = f'<span class="interval">{low:+.3f} to {high:+.3f}</span>'
    return [f"{one['first']:.3f}", f"{one['second']:.3f}", difference, interval]


def _number(number: int, unit: str, units: str = "") -> str:
    return f"{number:,} {unit if number == 1 else units or unit + 's'}"


def _text(value: object) -> str:
    """Text of the input as the content of an element: what is not seen is spelled out."""
    return html.escape(plain(re.sub(r"[\t\r\n]", " ", str(value))))
