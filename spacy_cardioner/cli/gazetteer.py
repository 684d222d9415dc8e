"""``cardioner gazetteer``: build lists of names, and add them to a pipeline."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spacy_cardioner.cli.options import Command
from spacy_cardioner.errors import CardionerError, echo, reason
from spacy_cardioner.layout import LANGUAGES

if TYPE_CHECKING:
    from spacy_cardioner.gazetteer.patterns import Pattern

FACTORY = "cardioner_gazetteer"

app = typer.Typer(
    name="gazetteer",
    help="Build lists of names of drugs and diseases; add names to a pipeline.",
    no_args_is_help=True,
)


@app.command(cls=Command)
def build(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Files of registries of drugs and vocabularies of diseases, each as FILE or "
            "KIND=FILE. Kinds: aifa, atc, cima, drugbank, fda, obo, own, rxnorm, snomed, terms, "
            "translation. Default: detected from the content.",
            metavar="[KIND=]FILE...",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The patterns file (.jsonl).")],
    text: Annotated[
        list[Path],
        typer.Option(
            help="Raw general and clinical text of the language, to recognise common words: .txt, "
            "or .jsonl with the key 'text', also compressed (.gz). Repeat for more.",
        ),
    ] = [],  # noqa: B006
    lang: Annotated[
        list[str],
        typer.Option(
            help="Keep names in this language or in none; xx is es, en and it. Repeat for more."
        ),
    ] = [],  # noqa: B006
    label: Annotated[str, typer.Option(help="Label of drugs.")] = "FARMACO",
    term_label: Annotated[
        list[str],
        typer.Option(help="Label of what the names of vocabularies are for. Repeat for more."),
    ] = ["ENFERMEDAD"],  # noqa: B006
    vocabulary: Annotated[
        str, typer.Option(help="Vocabulary of codes that name none, such as ICD10.")
    ] = "",
) -> None:
    """Clean the names of registries and vocabularies, and write them as patterns for a pipeline.

    Also writes a report of what each step did, with examples, and a manifest of the inputs.
    """
    from spacy_cardioner.files import manifest, write_texts
    from spacy_cardioner.gazetteer.build import build as build_patterns
    from spacy_cardioner.gazetteer.patterns import dump_patterns
    from spacy_cardioner.gazetteer.report import Report

    read = [_source(source) for source in sources]
    report = Report()
    langs = [code for each in lang for code in (LANGUAGES if each == "xx" else [each])]
    patterns = build_patterns(
        read,
        texts=text,
        langs=langs,
        label=label,
        term_labels=term_label,
        vocabulary=vocabulary,
        report=report,
    )
    if not patterns:
        raise CardionerError("no names are left; check --lang and the files")
    dumped = dump_patterns(patterns)
    paths = [path for _, path in read]
    made = manifest([*paths, *text], {"lang": lang, "label": label, "term_label": term_label})
    made["dates"] = {path.name: _date(path) for path in (*paths, *text)}
    made["counts"] = report.counts
    made["output"] = {"name": output.name, "sha256": hashlib.sha256(dumped.encode()).hexdigest()}
    files = {output: dumped}
    files[output.with_suffix(".report.json")] = _json(report.to_dict())
    files[output.with_suffix(".manifest.json")] = _json(made)
    write_texts(files)
    echo(report.table())


@app.command(cls=Command)
def add(
    pipeline: Annotated[
        str, typer.Option("--pipeline", "--model", help="An installed pipeline, or its folder.")
    ],
    name: Annotated[str | None, typer.Argument(help="The name to add.")] = None,
    atc: Annotated[str, typer.Option(help="Its ATC code.")] = "",
    kind: Annotated[
        str, typer.Option(help="ingredient, combination, group, abbreviation or brand.")
    ] = "ingredient",
    label: Annotated[str, typer.Option(help="Label of the entities.")] = "FARMACO",
    table: Annotated[
        Path | None,
        typer.Option(
            help="Add all names of this table (.tsv: name, atc, kind), or of this list that build "
            "wrote (.jsonl)."
        ),
    ] = None,
) -> None:
    """Add names to a pipeline, without training.

    They become entities where the model finds none, and get their codes. Those of a list that build
    wrote give codes and marks, and no entities by themselves. Codes that a name had before remain
    as further candidates. Prints the file that holds them: in the folder of a saved pipeline; for
    an installed one in a folder of the user's, so that a new version keeps them.
    """
    from spacy_cardioner.gazetteer.added import add_names
    from spacy_cardioner.gazetteer.build import build as build_patterns
    from spacy_cardioner.gazetteer.patterns import read_patterns

    if (name is None) == (table is None):
        raise typer.BadParameter("give a name, or a table with --table", param_hint="NAME")
    listed = list(read_patterns(table)) if table and ".jsonl" in table.suffixes else None
    labels = [label] if listed is None else sorted({pattern.label for pattern in listed})
    folder = _gazetteer(pipeline, labels)
    if listed is not None:
        new = listed
    elif table:
        new = build_patterns([("own", table)], label=label)
    else:
        new = [_pattern(name or "", atc, kind, label)]
    new = [one if listed else one._replace(always=True) for one in dict.fromkeys(new)]
    added = add_names(folder, new)
    there = len(new) - len(added.names)
    echo(f"{len(added.names)} added, {there} there already: {added.path}")


def _source(source: str) -> tuple[str | None, Path]:
    from spacy_cardioner.gazetteer.readers import REGISTRIES

    kind, _, file = source.partition("=")
    return (kind, Path(file)) if file and kind in REGISTRIES else (None, Path(source))


def _date(path: Path) -> str:
    """The day on which a file was last changed."""
    return datetime.fromtimestamp(path.stat().st_mtime, timezone.utc).date().isoformat()


def _json(data: object) -> str:
    return f"{json.dumps(data, indent=2, ensure_ascii=False)}\n"


def _pattern(name: str, atc: str, kind: str, label: str) -> Pattern:
    from spacy_cardioner.gazetteer.names import KINDS, fault_of, is_atc
    from spacy_cardioner.gazetteer.patterns import to_pattern

    if fault := fault_of(name):
        raise CardionerError(f"{name[:50]!r} is not a name: {fault}")
    if atc and not is_atc(atc):
        raise CardionerError(f"{atc!r} is not an ATC code, such as C07AB07 or C07")
    if kind not in KINDS:
        raise CardionerError(f"{kind!r} is not a kind of name; use one of {', '.join(KINDS)}")
    return to_pattern({"label": label, "pattern": name, "id": atc, "kind": kind}, name)


def _gazetteer(pipeline: str, labels: Sequence[str]) -> Path:
    """The folder of the gazetteer of a pipeline, given by the name of its package or by its folder.

    RAISES (CardionerError): There is no such pipeline, or it has no gazetteer or lacks a label.
    """
    from spacy.util import get_package_path, is_package, load_config

    from spacy_cardioner.texts import read_json

    # In the order of `spacy.load`.
    folder = get_package_path(pipeline) if is_package(pipeline) else Path(pipeline)
    if not folder.is_dir():
        raise CardionerError(f"{pipeline}: neither an installed pipeline nor a folder")
    try:
        about = read_json(folder / "meta.json")
        if not (folder / "config.cfg").exists():  # a package keeps its pipeline in a subfolder
            folder /= f"{about['lang']}_{about['name']}-{about['version']}"
        components = load_config(folder / "config.cfg")["components"]
        known = sorted(set().union(*about.get("labels", {}).values()))
    except (CardionerError, OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise CardionerError(f"{folder}: not the folder of a pipeline: {reason(error)}") from error
    names = [name for name in components if components[name].get("factory") == FACTORY]
    if not names:
        raise CardionerError(
            f"{pipeline}: the pipeline has no component {FACTORY}; add one with "
            f'nlp.add_pipe("{FACTORY}", name="gazetteer", first=True) and save the pipeline'
        )
    strange = [label for label in labels if known and label not in known]
    if strange:
        raise CardionerError(
            f"{strange[0]!r} is not a label of the pipeline, which has {', '.join(known)}; to add "
            "a label, use add_patterns of the component, in Python, and save the pipeline"
        )
    return folder / names[0]
