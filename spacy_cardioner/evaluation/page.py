"""The report as one HTML page, drawn from what `analysis` returns.

It has no script and loads nothing. The pieces of HTML are in `pieces`, the pictures in `charts`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spacy_cardioner.evaluation import charts
from spacy_cardioner.evaluation.page_parts import draw_part, titles_of
from spacy_cardioner.evaluation.pieces import (
    Data,
    Row,
    anchor_of,
    class_of,
    counted,
    difference_cells,
    escaped,
    figure_cells,
    interval_text,
    key_of,
    label_tag,
    part_name,
    system_cell,
    system_head,
    table,
    write_section,
)
from spacy_cardioner.files import RESOURCES
from spacy_cardioner.view import PAGE_FOOT, colour_of, page_head

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
        drawn += draw_part(part, data, several=len(data["parts"]) > 1)
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
    titles += [title for part in parts for title in titles_of(part, len(parts) > 1)]
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
