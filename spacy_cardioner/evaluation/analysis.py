"""All that a report shows, as data: the page draws it, and the JSON beside it holds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any, NamedTuple

from spacy_cardioner.errors import CardionerError, text_is_shown
from spacy_cardioner.evaluation.calibration import calibrations
from spacy_cardioner.evaluation.curves import curve
from spacy_cardioner.evaluation.examples import examples
from spacy_cardioner.evaluation.matching import MEASURES, Annotations
from spacy_cardioner.evaluation.mistakes import KINDS, RIGHT, Judgement, confusion, judge
from spacy_cardioner.evaluation.scores import compare, gap, score
from spacy_cardioner.evaluation.sections import Sections
from spacy_cardioner.evaluation.systems import Part
from spacy_cardioner.evaluation.traits import (
    PUBLISHED,
    Row,
    Traits,
    by_trait,
    differences,
    is_drug,
    side,
)
from spacy_cardioner.evaluation.unseen import recalls

# In place of a label: all of them together.
ALL = "all"
MACRO = "macro"
# Most documents in which two systems differ that are listed.
DIFFERING = 10


class Settings(NamedTuple):
    """How to analyse. threshold (float | None): Predictions with lower scores do not count."""

    resamples: int = 1000
    seed: int = 13
    threshold: float | None = None

    @property
    def bootstrap(self) -> dict[str, int]:
        """The arguments of `scores`."""
        return {"resamples": self.resamples, "seed": self.seed}


class System(NamedTuple):
    """A system and its predictions for the documents of a part.

    given (Annotations): All predictions.
    kept (Annotations): Those with at least a score of the threshold.
    """

    number: int
    name: str
    given: Annotations
    kept: Annotations


def analyse(
    parts: Sequence[Part],
    names: Sequence[str],
    settings: Settings,
    remarks: Sequence[str] = (),
) -> dict[str, Any]:
    """Analyse the predictions of systems.

    names (Sequence[str]): What to call the systems.
    RETURNS (dict[str, Any]): JSON-serialisable data, see ``docs/how-to/read-a-report.md``. It holds
        text of notes only if `errors.text_is_shown`.
    RAISES (CardionerError): There is no document, or a score is needed and missing.
    """
    systems = [_systems(part, names, settings.threshold) for part in parts]
    return {
        "systems": list(names),
        "settings": settings._asdict(),
        "shows_text": text_is_shown(),
        "parts": [_part(part, ours, settings) for part, ours in zip(parts, systems, strict=True)],
        "gaps": list(_gaps(parts, systems, settings)),
        "remarks": list(remarks),
    }


def _systems(part: Part, names: Sequence[str], threshold: float | None) -> list[System]:
    found = []
    for number, (name, given) in enumerate(zip(names, part.preds, strict=True)):
        kept = given
        if threshold is not None:
            if any(one.score is None for entities in given.values() for one in entities):
                raise CardionerError(
                    f"{name}: --threshold needs predictions with scores, as `cardioner annotate "
                    "--format jsonl` writes them"
                )
            kept = {
                document: [one for one in entities if (one.score or 0.0) >= threshold]
                for document, entities in given.items()
            }
        found.append(System(number, name, given, kept))
    return found


def _part(part: Part, systems: Sequence[System], settings: Settings) -> dict[str, Any]:
    sections = Sections(part)
    traits = {label: Traits(part.of(part.gold, label), part.lang) for label in part.annotated}
    judged = [judge(part.gold, system.kept) for system in systems]
    documents = _documents(part, judged)
    first, *others = zip(systems, judged, strict=True)
    return {
        "lang": part.lang,
        "split": part.split,
        "labels": {label: len(documents) for label, documents in part.annotated.items()},
        "gold": sum(map(len, part.gold.values())),
        "systems": [
            _system(part, *one, sections, traits, settings)
            for one in zip(systems, judged, strict=True)
        ],
        "comparisons": [
            {
                **_comparison(part, first, other, settings),
                "documents": _differing(documents, other[0].number),
            }
            for other in others
        ],
        "documents": documents,
    }


def _system(
    part: Part,
    system: System,
    judged: Judgement,
    sections: Sections,
    traits: Mapping[str, Traits],
    settings: Settings,
) -> dict[str, Any]:
    of_label = {label: _only(judged, label) for label in part.annotated}
    rows = {label: by_trait(one, traits[label]) for label, one in of_label.items()}
    training = part.trainings[system.number] if part.trainings else None
    made: dict[str, Any] = {
        "name": system.name,
        "scores": _scores(part, part.gold, system.kept, settings),
        "sections": _by_section(part, system.kept, sections, settings),
        "errors": {label: _kinds(one) for label, one in of_label.items()},
        "traits": {label: _rows(one) for label, one in rows.items()},
        "differences": {label: differences(one) for label, one in of_label.items()},
        "published": _published(of_label, rows),
        "confusion": confusion(judged),
    }
    if training is not None and training.texts:
        names = recalls(part.gold, system.kept, training, list(part.annotated))
        made["names"] = {
            label: asdict(one) for label, one in names.items() if one.seen.gold + one.unseen.gold
        }
    scored = [one.score is not None for entities in system.given.values() for one in entities]
    if scored and all(scored):
        made["calibration"] = {
            label: asdict(calibrations(part.of(part.gold, label), system.given, [label])[label])
            for label in part.annotated
            if any(part.of(system.given, label).values())
        }
        made["curves"] = {
            label: [
                point._asdict()
                for point in curve(part.of(part.gold, label), part.of(system.given, label))
            ]
            for label in part.annotated
        }
    if text_is_shown():
        made["examples"] = {
            label: examples(one, part.texts, part.called) for label, one in of_label.items()
        }
    return made


def _scores(
    part: Part, gold: Annotations, pred: Annotations, settings: Settings
) -> dict[str, dict[str, Any]]:
    """The scores of each measure by label, and of all labels if they have the same documents."""
    found: dict[str, dict[str, Any]] = {measure: {} for measure in MEASURES}
    together = list(part.annotated)
    for labels in [together] if part.is_uniform else [[label] for label in together]:
        ours, theirs = (
            (gold, pred)
            if labels == together
            else (part.of(gold, labels[0]), part.of(pred, labels[0]))
        )
        report = score(ours, theirs, labels=labels, **settings.bootstrap)
        for measure in MEASURES:
            scores = asdict(getattr(report, measure))
            found[measure] |= scores["labels"]
            if len(labels) > 1:
                found[measure] |= {ALL: scores["micro"], MACRO: scores["macro"]}
    return found


def _by_section(
    part: Part, pred: Annotations, sections: Sections, settings: Settings
) -> dict[str, dict[str, Any]]:
    """The strict scores by section and label, where there is an entity."""
    found: dict[str, dict[str, Any]] = {}
    for category in sections.categories:
        gold, ours = (sections.within(category, one) for one in (part.gold, pred))
        scores = _scores(part, gold, ours, settings)["strict"]
        present = {
            label: one
            for label, one in scores.items()
            if one["counts"] and one["counts"]["gold"] + one["counts"]["predicted"]
        }
        if present:
            found[category] = present
    return found


def _only(judged: Judgement, label: str) -> Judgement:
    return Judgement(*([one for one in side if one.entity.label == label] for side in judged))


def _kinds(judged: Judgement) -> dict[str, dict[str, int]]:
    """The kinds of errors, as numbers of gold entities and of predictions."""
    gold, pred = (side(ones).kinds for ones in judged)
    return {
        kind: {"gold": gold.get(kind, 0), "predicted": pred.get(kind, 0)}
        for kind in KINDS
        if kind in gold or kind in pred
    }


def _row(row: Row) -> dict[str, Any]:
    return {"gold": row.gold._asdict(), "predicted": row.predicted._asdict()}


def _rows(rows: Mapping[str, Row]) -> dict[str, dict[str, Any]]:
    return {trait: _row(row) for trait, row in rows.items()}


def _published(
    judged: Mapping[str, Judgement], rows: Mapping[str, Mapping[str, Row]]
) -> dict[str, Any]:
    """The rows of the published error analyses, and beside them all drugs."""
    found: dict[str, Any] = {}
    for label in filter(is_drug, judged):
        everything = Row(*map(side, judged[label]))
        none = Row(side(()), side(()))
        traits = {name: rows[label].get(trait, none) for name, trait in PUBLISHED.items()}
        found[label] = _rows({**traits, "all": everything})
    return found


def _documents(part: Part, judged: Sequence[Judgement]) -> list[dict[str, Any]]:
    """The counts and the strict F1 of each system in each document.

    Those in which the first system makes the most errors come first.
    """
    of_systems = [_counts(one) for one in judged]
    rows = [
        {
            "document": part.called[name],
            "gold": len(part.gold[name]),
            "systems": [
                _row_of(len(part.gold[name]), *counts.get(name, (0, 0))) for counts in of_systems
            ],
        }
        for name in part.gold
    ]
    return sorted(rows, key=lambda row: (-row["systems"][0]["errors"], row["document"]))


def _counts(judged: Judgement) -> dict[str, tuple[int, int]]:
    """The numbers of predictions and of right ones in each document."""
    predicted = Counter(one.document for one in judged.pred)
    right = Counter(one.document for one in judged.pred if one.kind == RIGHT)
    return {name: (number, right[name]) for name, number in predicted.items()}


def _row_of(gold: int, predicted: int, right: int) -> dict[str, Any]:
    return {
        "predicted": predicted,
        "right": right,
        "errors": gold + predicted - 2 * right,
        "f1": 2 * right / (gold + predicted) if gold + predicted else None,
    }


def _comparison(
    part: Part,
    first: tuple[System, Judgement],
    second: tuple[System, Judgement],
    settings: Settings,
) -> dict[str, Any]:
    """Two systems on the same documents: the differences of F1, and where they are right."""
    labels: dict[str, Any] = {}
    units: dict[str, Collection[str]] = {label: [label] for label in part.annotated}
    if len(units) > 1 and part.is_uniform:
        units[ALL] = list(part.annotated)
    for unit, of in units.items():
        gold, one, two = (
            part.of(annotations, unit) if unit != ALL else annotations
            for annotations in (part.gold, first[0].kept, second[0].kept)
        )
        labels[unit] = asdict(compare(gold, one, two, labels=of, **settings.bootstrap))
    judged = [first[1], second[1]]
    return {
        "systems": [first[0].name, second[0].name],
        "labels": labels,
        "found": {label: _found(judged, label) for label in part.annotated},
    }


def _found(judged: Sequence[Judgement], label: str) -> dict[str, int]:
    """How many gold entities both systems found, only one of them, or none."""
    numbers = {"both": 0, "first": 0, "second": 0, "none": 0}
    pairs = zip(*(_only(one, label).gold for one in judged), strict=True)
    names = {(True, True): "both", (True, False): "first", (False, True): "second"}
    for one, other in pairs:
        numbers[names.get((one.kind == RIGHT, other.kind == RIGHT), "none")] += 1
    return numbers


def _differing(documents: Sequence[Mapping[str, Any]], other: int) -> list[dict[str, Any]]:
    """The documents in which the numbers of errors of the first and another system differ most."""
    rows = []
    for row in documents:
        errors = [row["systems"][number]["errors"] for number in (0, other)]
        found = {"document": row["document"], "gold": row["gold"], "errors": errors}
        rows.append({**found, "difference": errors[0] - errors[1]})
    rows = [row for row in rows if row["difference"]]
    return sorted(rows, key=lambda row: (-abs(row["difference"]), row["document"]))[:DIFFERING]


def _gaps(
    parts: Sequence[Part], systems: Sequence[Sequence[System]], settings: Settings
) -> Iterator[dict[str, Any]]:
    """The differences of each system between a split and the next one."""
    for (one, ours), (other, theirs) in pairwise(zip(parts, systems, strict=True)):
        if not (one.split and other.split and one.lang == other.lang):
            continue
        for system, same in zip(ours, theirs, strict=True):
            common = [label for label in one.annotated if label in other.annotated]
            yield {
                "system": system.name,
                "splits": [one.split, other.split],
                "labels": {
                    label: asdict(
                        gap(
                            (one.of(one.gold, label), one.of(system.kept, label)),
                            (other.of(other.gold, label), other.of(same.kept, label)),
                            labels=[label],
                            **settings.bootstrap,
                        )
                    )
                    for label in common
                },
            }
