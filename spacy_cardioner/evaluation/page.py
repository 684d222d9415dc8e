"""The report as one HTML page, drawn from what `analysis` returns.

It has no script and loads nothing. The pieces of HTML are in `pieces`, the pictures in `charts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from spacy_cardioner.evaluation import charts
from spacy_cardioner.evaluation.analysis import ALL
from spacy_cardioner.evaluation.mistakes import BORDERS, KINDS, MISSED, NOTHING, SPURIOUS
from spacy_cardioner.evaluation.pieces import (
    Cell,
    Data,
    Row,
    anchor_of,
    class_of,
    counted,
    difference_cells,
    escaped,
    figure_cells,
    heat_table,
    interval_text,
    key_of,
    label_tag,
    panel,
    part_name,
    system_cell,
    system_head,
    table,
    write_section,
)
from spacy_cardioner.evaluation.traits import GROUPS
from spacy_cardioner.files import RESOURCES
from spacy_cardioner.view import PAGE_FOOT, colour_of, page_head

# Documents that are listed before the others are folded away.
WORST = 12
SCORES = ("precision", "recall", "F1", "gold", "predicted", "right")


def render_page(data: Data, twin: str = "") -> str:
    """Draw a report.

    data (Mapping[str, Any]): What `analysis.analyse` returned.
    twin (str): Name of the file with the same figures as JSON.
    RETURNS (str): An HTML page.
    """
    style = (RESOURCES / "report.css").read_text(encoding="utf-8")
    title = f"Report: {', '.join(data['systems'])}"
    drawn = [page_head(title, style), '<div class="cardioner report">\n', *_start(data, twin)]
    drawn += write_section("Scores", *_scores(data))
    if data["gaps"]:
        drawn += write_section("From one split to the next", *_gaps(data))
    for part in data["parts"]:
        drawn += _part(part, data, several=len(data["parts"]) > 1)
    drawn += write_section("Notes", *_notes(data, twin))
    return "".join([*drawn, "</div>\n", PAGE_FOOT])


def _start(data: Data, twin: str) -> Iterator[str]:
    parts, settings = data["parts"], data["settings"]
    documents = sum(len(part["documents"]) for part in parts)
    gold = sum(part["gold"] for part in parts)
    lead = f"{counted(documents, 'document')}, {counted(gold, 'gold entity', 'gold entities')}"
    yield (
        f'<p class="lead">{lead}. Strict scores: document, offsets, label and text agree. '
        f"Intervals are 95 % of {settings['resamples']:,} resamples of documents.</p>\n"
    )
    if data["shows_text"]:
        yield '<p class="warning">This page quotes notes. They are patients\' data.</p>\n'
    titles = ["Scores", *(["From one split to the next"] if data["gaps"] else [])]
    titles += [title for part in parts for title in _titles(part, len(parts) > 1)]
    links = (f'<a href="#{anchor_of(title)}">{escaped(title)}</a>' for title in [*titles, "Notes"])
    yield f'<nav aria-label="Contents">{"".join(links)}</nav>\n'
    yield key_of(data["systems"])
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
            f"<div>{mark}<strong>{scores['f1']:.3f}</strong> "
            f"<span>{interval_text(scores)}</span></div>"
            f"<span>precision {scores['precision']:.3f}, recall {scores['recall']:.3f}</span>"
        )
    name = escaped(f"{label} {part_name(part)}" if several else label)
    return f'<div class="card l{colour_of(label)}"><p>{name}: F1</p>{"".join(lines)}</div>\n'


# --- Scores ---


def _scores(data: Data) -> Iterator[str]:
    rows: list[Row] = []
    several, systems = len(data["parts"]) > 1, data["systems"]
    found = [scores["interval"]["f1"][0] for *_, scores in _each(data["parts"], "strict")]
    lowest = charts.start_of([*found, 0.9])
    for part, number, label, scores in _each(data["parts"], "strict"):
        name = f"{label} {part_name(part)}" if several else label
        cells = [label_tag(label, name) if number == 0 else "", *system_cell(systems, number)]
        cells += [f"<strong>{scores['f1']:.3f}</strong>"]
        cells += [f'<span class="interval">{interval_text(scores)}</span>']
        cells += [charts.interval(number, scores["f1"], scores["interval"]["f1"], lowest)]
        cells += [*figure_cells(scores)[:2], *figure_cells(scores)[3:]]
        rows.append((cells, ["first"] * (number == 0) + [class_of(label)]))
    header = ["", *system_head(systems), "F1", "95 %"]
    header += [charts.scale(lowest), "precision", "recall", "gold", "predicted", "right"]
    yield table(header, rows)
    yield (
        '<p class="about">“all” counts the entities of all labels; “macro” is the mean of the '
        "labels.</p>\n<details><summary>Overlapping and official scores</summary>\n"
        '<p class="about">Overlapping: the labels agree, and at least one character is shared. '
        "Official, as the scorer of MultiCardioNER counts: strict, without documents that have no "
        "gold entity.</p>\n"
    )
    for measure in ("overlapping", "official"):
        rows = []
        for part, number, label, scores in _each(data["parts"], measure):
            name = f"{label} {part_name(part)}" if several else label
            cells = [label_tag(label, name) if number == 0 else "", *system_cell(systems, number)]
            cells += [*figure_cells(scores)[:3], interval_text(scores), *figure_cells(scores)[3:]]
            rows.append((cells, ["first"] * (number == 0) + [class_of(label)]))
        header = [
            measure,
            *system_head(systems),
            *SCORES[:3],
            "95 % of F1",
            *SCORES[3:],
        ]
        yield table(header, rows)
    yield "</details>\n"


def _each(parts: Sequence[Data], measure: str) -> Iterator[tuple[Data, int, str, Data]]:
    """The scores of each part, label and system, which is a number."""
    for part in parts:
        for label in part["systems"][0]["scores"][measure]:
            for number, system in enumerate(part["systems"]):
                yield part, number, label, system["scores"][measure][label]


def _gaps(data: Data) -> Iterator[str]:
    yield (
        '<p class="about">The F1 of a system on two splits, and the 95 % interval of the '
        "difference. Each split is resampled on its own. A system that was tuned on a split falls "
        "on the next.</p>\n"
    )
    for gap in data["gaps"]:
        rows = [
            ([label_tag(label), *difference_cells(one)], [class_of(label)])
            for label, one in gap["labels"].items()
        ]
        header = [gap["system"], *gap["splits"], "difference", "95 %"]
        yield table([escaped(one) for one in header], rows)


# --- A part ---

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


def _names(part: Data, data: Data) -> Iterator[str]:
    yield (
        '<p class="about">Recall on gold entities whose name stands in a text that the pipeline '
        "was trained on, and on the others.</p>\n"
    )
    rows = []
    for label in part["labels"]:
        for number, system in enumerate(part["systems"]):
            if label in system.get("names", {}):
                cells = [
                    label_tag(label) if number == 0 else "",
                    *system_cell(data["systems"], number),
                ]
                for which in ("seen", "unseen"):
                    one = system["names"][label][which]
                    cells += [
                        f"{one['recall']:.3f}",
                        charts.share(one["recall"], number),
                        f"{one['gold']:,}",
                    ]
                rows.append((cells, ["first"] * (number == 0) + [class_of(label)]))
    header = ["", *system_head(data["systems"]), "seen: recall", "", "gold"]
    yield table([*header, "unseen: recall", "", "gold"], rows)


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
        yield panel(label, charts.bars(rows, f"errors of {label} by kind") if rows else "no error")
    yield "</div>\n"


def _in_order(kinds: Iterable[str]) -> list[str]:
    return sorted(kinds, key=KINDS.index)


def _traits(part: Data, data: Data) -> Iterator[str]:
    yield (
        '<p class="about">Recall of the gold entities and precision of the predictions with a '
        "trait. The first system shows its errors too.</p>\n"
    )
    systems = data["systems"]
    for label in part["labels"]:
        rows = []
        for group, traits in GROUPS.items():
            ours = [t for t in traits if any(t in s["traits"][label] for s in part["systems"])]
            if ours:
                rows.append(([group], ["group"]))
            rows += [(_of_trait(trait, part, label), [class_of(label)]) for trait in ours]
        header = ["", "gold"]
        names = [f" {escaped(name)}" if len(systems) > 1 else "" for name in systems]
        header += [cell for name in names for cell in (f"recall{name}", "")]
        header += [f"precision{name}" for name in names]
        header += ["missed", "border", "spurious"]
        opened = " open" * (label == next(iter(part["labels"])))
        yield f"<details{opened}><summary>{label_tag(label)}</summary>\n"
        yield table(header, rows)
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
                cells += [
                    *system_cell(data["systems"], number),
                    f"{gold['number']:,}",
                    _share(gold),
                ]
                cells += [f"{pred['number']:,}", _share(pred), f"{gold['kinds'].get(MISSED, 0):,}"]
                cells += [f"{sum(gold['kinds'].get(kind, 0) for kind in BORDERS):,}"]
                cells += [f"{pred['kinds'].get(SPURIOUS, 0):,}"]
                rows.append((cells, ["first"] * (number == 0)))
        header = [label_tag(label), *system_head(data["systems"])]
        header += ["gold", "recall", "predicted", "precision", "missed", "border", "spurious"]
        yield table(header, rows)
    rows = []
    for label in part["labels"]:
        for number, system in enumerate(part["systems"]):
            found = system["differences"][label]
            cells = [label_tag(label) if number == 0 else "", *system_cell(data["systems"], number)]
            cells += [f"{one:,}" for one in found.values()]
            rows.append((cells, ["first"] * (number == 0) + [class_of(label)]))
    named = list(part["systems"][0]["differences"][next(iter(part["labels"]))])
    yield "<h3>Entities with a wrong border</h3>\n"
    yield table(["", *system_head(data["systems"]), *named], rows)


def _confusion(part: Data, data: Data) -> Iterator[str]:
    yield (
        '<p class="about">Each row is a gold label: how many of its entities were found under '
        "which label, also with other borders, and how many were missed. The last row: "
        "predictions where nothing is annotated.</p>\n"
        '<div class="panels tables">\n'
    )
    labels = list(part["labels"])
    for system in part["systems"]:
        rows = []
        for label in [*labels, NOTHING]:
            row = system["confusion"].get(label, {})
            total = sum(row.values())
            cells: list[Cell] = []
            for predicted in [*labels, NOTHING]:
                number = row.get(predicted, 0)
                text = f"{number:,}" if number else ("" if label == predicted == NOTHING else "0")
                cells.append((text, number / total if total else 0.0, predicted == label))
            name = label_tag(label) if label else "nothing"
            rows.append((name, cells, class_of(label)))
        header = [escaped(system["name"]) if len(data["systems"]) > 1 else "gold"]
        yield heat_table([*header, *map(label_tag, labels), "missed"], rows)
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
        of = f" {escaped(system['name'])}" if len(systems) > 1 else ""
        header += [f"errors{of}", f"F1{of}", ""]
    rows = []
    for document in documents:
        cells = [escaped(document["document"]), f"{document['gold']:,}"]
        for number, row in enumerate(document["systems"]):
            known = row["f1"] is not None
            cells += [f"{row['errors']:,}", f"{row['f1']:.3f}" if known else ""]
            cells.append(charts.share(row["f1"], number) if known else "")
        rows.append((cells, ["plain"]))
    yield table(header, rows[:WORST])
    if rest := rows[WORST:]:
        yield f"<details><summary>{counted(len(rest), 'more document')}</summary>\n"
        yield table(header, rest)
        yield "</details>\n"
    yield "</div></div>\n"


def _examples(part: Data, data: Data) -> Iterator[str]:
    yield (
        '<p class="about">The names with the most errors of each kind. What is annotated is '
        "underlined, what is predicted has a frame.</p>\n"
    )
    for system in part["systems"]:
        for label, kinds in system["examples"].items():
            of = f" of {escaped(system['name'])}" if len(data["systems"]) > 1 else ""
            for kind in _in_order(kinds):
                title = f"<summary>{label_tag(label)}{of}: {kind}</summary>"
                yield f'<details class="l{colour_of(label)}">{title}\n'
                yield '<ol class="names">\n'
                for one in kinds[kind]:
                    yield f"<li>{escaped(one['mention'])} ({one['number']})\n"
                    places = "".join(map(_place, one["places"]))
                    yield f'<ul class="places">{places}</ul></li>\n' if places else "</li>\n"
                yield "</ol></details>\n"


def _place(place: Data) -> str:
    quoted = "".join(
        f'<span class="{" ".join(["g"] * gold + ["p"] * pred)}">{escaped(text)}</span>'
        for gold, pred, text in place["pieces"]
    )
    return f'<li>{escaped(place["document"])}: <span class="quote">{quoted}</span></li>'


def _notes(data: Data, twin: str) -> Iterator[str]:
    settings = data["settings"]
    if data["remarks"]:
        items = "".join(f"<li>{escaped(remark)}</li>" for remark in data["remarks"])
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
        rows: list[Row] = [
            ([escaped(one["name"]), f"<code>{one['sha256'][:16]}</code>"], [])
            for one in data["manifest"]["inputs"]
        ]
        yield table(["made from", "SHA-256"], rows)
        made = ", ".join(
            f"{name} {version}" for name, version in data["manifest"]["versions"].items()
        )
        yield f'<p class="about">{escaped(made)}</p>\n'
    if twin:
        yield f'<p class="about">The same figures as JSON: {escaped(twin)}</p>\n'
