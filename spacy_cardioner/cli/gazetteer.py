"""``cardioner gazetteer``: build a list of drug names, and add names to a pipeline."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spacy_cardioner.cli.options import Command
from spacy_cardioner.errors import CardionerError, echo
from spacy_cardioner.layout import LANGUAGES

if TYPE_CHECKING:
    from spacy_cardioner.gazetteer.patterns import Pattern

app = typer.Typer(
    name="gazetteer",
    help="Build lists of drug names; add names to a pipeline.",
    no_args_is_help=True,
)


@app.command(cls=Command)
def build(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Files of registries, each as FILE or KIND=FILE. Kinds: aifa, atc, cima, "
            "drugbank, fda, own, rxnorm. Default: detected from the content.",
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
    label: Annotated[str, typer.Option(help="Label of the entities.")] = "FARMACO",
) -> None:
    """Clean the names of registries and write them as patterns for a pipeline.

    Also writes a report of what each step did, with examples, and a manifest of the inputs.
    """
    from spacy_cardioner.files import manifest, write_texts
    from spacy_cardioner.gazetteer.build import build as build_patterns
    from spacy_cardioner.gazetteer.patterns import dump_patterns
    from spacy_cardioner.gazetteer.report import Report

    read = [_source(source) for source in sources]
    report = Report()
    langs = [code for each in lang for code in (LANGUAGES if each == "xx" else [each])]
    patterns = build_patterns(read, texts=text, langs=langs, label=label, report=report)
    if not patterns:
        raise CardionerError("no names are left; check --lang and the files")
    dumped = dump_patterns(patterns)
    paths = [path for _, path in read]
    made = manifest([*paths, *text], {"lang": lang, "label": label})
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
        Path | None, typer.Option(help="Add all names of this table (.tsv: name, atc, kind).")
    ] = None,
) -> None:
    """Add names to a pipeline, in its folder, without training.

    They become entities where the model finds none, and get their codes. Codes that a name had
    before remain as further candidates.
    """
    from spacy_cardioner.files import write_texts
    from spacy_cardioner.gazetteer.build import build as build_patterns
    from spacy_cardioner.gazetteer.patterns import dump_patterns, read_patterns

    if (name is None) == (table is None):
        raise typer.BadParameter("give a name, or a table with --table", param_hint="NAME")
    if table:
        new = build_patterns([("own", table)], label=label)
    else:
        new = [_pattern(name or "", atc, kind, label)]
    new = [pattern._replace(always=True) for pattern in dict.fromkeys(new)]
    path = _patterns_file(pipeline)
    present = list(read_patterns(path)) if path.exists() else []
    added = [pattern for pattern in new if pattern not in present]
    # The same names without "always" are replaced.
    kept = [pattern for pattern in present if pattern._replace(always=True) not in added]
    write_texts({path: dump_patterns([*kept, *added])})
    echo(f"{len(added)} added, {len(new) - len(added)} there already")


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
    from spacy_cardioner.gazetteer.names import is_atc
    from spacy_cardioner.gazetteer.normalise import pieces
    from spacy_cardioner.gazetteer.patterns import to_pattern

    if not pieces(name):
        raise CardionerError(f"{name!r} is not a name: it has neither letters nor digits")
    if atc and not is_atc(atc):
        raise CardionerError(f"{atc!r} is not an ATC code, such as C07AB07 or C07")
    return to_pattern({"label": label, "pattern": name, "id": atc, "kind": kind}, name)


def _patterns_file(pipeline: str) -> Path:
    """The patterns file of a pipeline, given by the name of its package or by its folder."""
    from spacy.util import get_package_path, is_package, load_config

    from spacy_cardioner.gazetteer.patterns import PATTERNS_FILE

    folder = Path(pipeline)
    if not folder.is_dir():
        if not is_package(pipeline):
            raise CardionerError(f"{pipeline}: neither an installed pipeline nor a folder")
        folder = get_package_path(pipeline)
    try:
        # A package keeps its pipeline in a subfolder.
        [path, *_] = [*folder.glob("config.cfg"), *folder.glob("*-[0-9]*/config.cfg")]
        components = load_config(path)["components"]
    except (OSError, KeyError, ValueError) as error:
        raise CardionerError(
            f"{folder}: no config.cfg of a pipeline ({type(error).__name__})"
        ) from error
    for name, config in components.items():
        if config.get("factory") == "cardioner_gazetteer":
            return path.parent / str(name) / PATTERNS_FILE
    raise CardionerError(
        f"{pipeline}: the pipeline has no component cardioner_gazetteer; add one with "
        'nlp.add_pipe("cardioner_gazetteer", name="gazetteer", first=True) and save the pipeline'
    )
