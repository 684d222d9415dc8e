"""``cardioner gazetteer``: build a list of names, and add names to a pipeline that has one."""

from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spacy_cardioner.errors import CardionerError

if TYPE_CHECKING:
    from spacy_cardioner.gazetteer.patterns import Pattern

app = typer.Typer(
    name="gazetteer",
    help="Build lists of drug names; add names to a pipeline.",
    no_args_is_help=True,
)

# Components whose names are added to: marks, codes, and what counts whatever was measured.
FACTORIES = ("cardioner_gazetteer", "cardioner_linker", "cardioner_ruler")
OWN = "own"


@app.command()
def build(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Registries' files, each as FILE or KIND=FILE. Kinds: aifa, atc, cima, drugbank, "
            "fda, own, rxnorm. Without one, the content of the file says what it is.",
            metavar="[KIND=]FILE...",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The patterns file (.jsonl).")],
    text: Annotated[
        list[Path],
        typer.Option(
            "--text",
            help="Raw text to know common words by: .txt, or .jsonl with the key 'text', also "
            "packed (.gz). General and clinical texts of the language. Repeat for more.",
        ),
    ] = [],  # noqa: B006
    lang: Annotated[
        list[str],
        typer.Option(help="Keep names of this language, and names of none. Repeat for more."),
    ] = [],  # noqa: B006
    label: Annotated[str, typer.Option(help="Label of the entities.")] = "FARMACO",
) -> None:
    """Clean the names of registries and write them as patterns for the pipeline.

    Beside the patterns, a report tells what each step did to how many names, with examples, and
    a manifest tells what the patterns were made of.
    """
    from spacy_cardioner.files import manifest, write_texts
    from spacy_cardioner.gazetteer.build import build as build_patterns
    from spacy_cardioner.gazetteer.patterns import dump_patterns
    from spacy_cardioner.gazetteer.report import Report

    read = [_source(source) for source in sources]
    report = Report()
    patterns = build_patterns(read, texts=text, langs=lang, label=label, report=report)
    if not patterns:
        raise CardionerError("no name is left; look at --lang and at the files")
    dumped = dump_patterns(patterns)
    paths = [path for _, path in read]
    made = manifest([*paths, *text], {"lang": lang, "label": label})
    made["dates"] = {path.name: _date(path) for path in (*paths, *text)}
    made["counts"] = report.counts
    made["output"] = {"name": output.name, "sha256": hashlib.sha256(dumped.encode()).hexdigest()}
    write_texts(
        {
            output: dumped,
            output.with_suffix(".report.json"): _json(report.to_dict()),
            output.with_suffix(".manifest.json"): _json(made),
        }
    )
    typer.echo(report.table())


@app.command()
def add(
    pipeline: Annotated[
        str,
        typer.Option("--pipeline", "--model", help="Name of an installed pipeline, or its folder."),
    ],
    name: Annotated[str | None, typer.Argument(help="The name to add.")] = None,
    atc: Annotated[str, typer.Option(help="Its ATC code.")] = "",
    kind: Annotated[
        str, typer.Option(help="ingredient, combination, group, abbreviation or brand.")
    ] = "ingredient",
    label: Annotated[str, typer.Option(help="Label of the entities.")] = "FARMACO",
    table: Annotated[
        Path | None,
        typer.Option("--table", help="Add all names of this table (.tsv: name, atc, kind)."),
    ] = None,
) -> None:
    """Add names to a pipeline, in its folder: nothing is trained again.

    They are marked from then on, get their codes, and become entities where the model finds none.
    A name that is there already keeps its codes as further candidates.
    """
    from spacy_cardioner.files import write_texts
    from spacy_cardioner.gazetteer.patterns import dump_patterns, read_patterns

    if (name is None) == (table is None):
        raise typer.BadParameter("give a name, or a table with --table", param_hint="NAME")
    new = _own(table, label) if table else [_named(name or "", atc, kind, label)]
    files: dict[Path, str] = {}
    for folder in _folders(pipeline):
        path = folder / "patterns.jsonl"
        present = list(read_patterns(path)) if path.exists() else []
        added = [pattern for pattern in dict.fromkeys(new) if pattern not in present]
        files[path] = dump_patterns([*present, *added])
        typer.echo(f"{folder.name}: {len(added)} added, {len(new) - len(added)} there already")
    write_texts(files)


def _source(source: str) -> tuple[str | None, Path]:
    from spacy_cardioner.gazetteer.readers import REGISTRIES

    kind, sign, file = source.partition("=")
    if sign and kind in REGISTRIES:
        return kind, Path(file)
    return None, Path(source)


def _date(path: Path) -> str:
    """The day on which a file was last changed."""
    stamp = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.timezone.utc)
    return stamp.date().isoformat()


def _json(data: object) -> str:
    return f"{json.dumps(data, indent=2, ensure_ascii=False)}\n"


def _named(name: str, atc: str, kind: str, label: str) -> Pattern:
    from spacy_cardioner.gazetteer.names import KINDS, is_atc
    from spacy_cardioner.gazetteer.normalise import pieces
    from spacy_cardioner.gazetteer.patterns import to_pattern

    if not pieces(name):
        raise CardionerError(f"{name!r} is no name: it has neither letters nor digits")
    if atc and not is_atc(atc):
        raise CardionerError(f"{atc!r} is not an ATC code, such as C07AB07 or C07")
    if kind not in KINDS:
        raise CardionerError(f"{kind!r} is no kind of name; write one of {', '.join(KINDS)}")
    return to_pattern({"label": label, "pattern": name, "id": atc, "kind": kind})


def _own(table: Path, label: str) -> list[Pattern]:
    from spacy_cardioner.gazetteer.build import build as build_patterns

    return build_patterns([(OWN, table)], label=label)


def _folders(pipeline: str) -> list[Path]:
    """The folders of the components that have names, in the folder of a pipeline."""
    from spacy.util import load_config

    folder = _pipeline_folder(pipeline)
    try:
        components = load_config(folder / "config.cfg")["components"]
    except (OSError, KeyError, ValueError) as error:
        raise CardionerError(
            f"{folder}: no config.cfg of a pipeline ({error.__class__.__name__})"
        ) from error
    found = [n for n, config in components.items() if config.get("factory") in FACTORIES]
    if not found:
        raise CardionerError(
            f"{pipeline}: this pipeline has no component gazetteer or cardioner_linker; add one with "
            'nlp.add_pipe("cardioner_gazetteer", first=True) and save it with nlp.to_disk'
        )
    return [folder / name for name in found]


def _pipeline_folder(pipeline: str) -> Path:
    """The folder with the config of a pipeline, given by folder or by package name."""
    from spacy.util import get_model_meta, get_package_path, is_package

    folder = Path(pipeline)
    if not folder.is_dir():
        if not is_package(pipeline):
            raise CardionerError(f"{pipeline}: neither an installed pipeline nor a folder")
        folder = get_package_path(pipeline)
    if not (folder / "config.cfg").exists() and (folder / "meta.json").exists():
        meta = get_model_meta(folder)
        folder = folder / f"{meta['lang']}_{meta['name']}-{meta['version']}"
    return folder
