"""The errors of the systems in a report: names, kinds, traits, labels, documents, examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spacy_cardioner.evaluation import charts
from spacy_cardioner.evaluation.mistakes import BORDERS, KINDS, MISSED, NOTHING, SPURIOUS
from spacy_cardioner.evaluation.pieces import (
    Cell,
    Data,
    class_of,
    counted,
    escaped,
    heat_table,
    label_tag,
    panel,
    system_cell,
    system_head,
    table,
)
from spacy_cardioner.evaluation.traits import GROUPS
from spacy_cardioner.view import colour_of

# Documents that are listed before the others are folded away.
WORST = 12


def draw_names(part: Data, data: Data) -> Iterator[str]:
    """Recall on seen and on unseen names."""
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


def draw_errors(part: Data, data: Data) -> Iterator[str]:
    """The errors of each label by kind."""
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


def draw_traits(part: Data, data: Data) -> Iterator[str]:
    """What makes entities hard: recall and precision by trait."""
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


def draw_published(part: Data, data: Data) -> Iterator[str]:
    """The errors that the authors of other systems reported, as rows."""
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


def draw_confusion(part: Data, data: Data) -> Iterator[str]:
    """Which labels were predicted in the place of which."""
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


def draw_documents(part: Data, data: Data) -> Iterator[str]:
    """The scores of each document, the worst first."""
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


def draw_examples(part: Data, data: Data) -> Iterator[str]:
    """The names with the most errors of each kind."""
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
