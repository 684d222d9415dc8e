"""``cardioner check-corpus``, ``convert``, ``audit`` and ``split``: BRAT folders to DocBins."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from spacy_cardioner import layout
from spacy_cardioner.cli.options import Lang, Published, Relabel, named, renames
from spacy_cardioner.errors import CardionerError, echo, text_is_shown
from spacy_cardioner.files import write_texts
from spacy_cardioner.folders import Folder, document_names

if TYPE_CHECKING:
    from spacy.tokens import Doc

    from spacy_cardioner.audit import Audit

Folders = Annotated[list[Path] | None, typer.Argument(help="Folders with .txt and .ann files.")]
Only = Annotated[list[str], typer.Option(help="Keep only this label. Repeatable.")]
Lenient = Annotated[bool, typer.Option(help="Skip and count malformed input.")]
Strict = Annotated[bool, typer.Option(help="Stop with an error if an entity would be lost.")]
Discontinuous = Annotated[
    str,
    typer.Option(
        help="Discontinuous entities: 'cover' all fragments, take the 'first' or 'longest' "
        "fragment, or 'skip' the entity."
    ),
]


def check_corpus(
    corpora: Annotated[list[str], typer.Argument(help="Folders of published corpora.")],
) -> None:
    """Say which corpora are in folders: language, part, labels and number of notes.

    In each note, the annotations of a label are those of the first corpus that has them.
    """
    from wasabi.tables import table

    rows = [
        (
            folder.corpus,
            folder.part,
            folder.lang,
            str(len(folder.names)),
            ", ".join(f"{label} {mentions}" for label, mentions in (folder.labels or {}).items()),
            str(folder.annotations),
        )
        for folder in layout.find(named(corpora))
    ]
    header = ("corpus", "part", "language", "notes", "mentions", "annotations")
    settings: dict[str, Any] = {"divider": True, "aligns": [*"lllrll"], "max_col": 1000}
    found = table(rows, header=header, **settings)
    echo("\n".join(line.rstrip() for line in found.splitlines() if line))


def convert(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The DocBin to write; with --corpus, the folder."),
    ],
    lang: Lang,
    folders: Folders = None,
    corpus: Published = [],  # noqa: B006
    label: Relabel = [],  # noqa: B006
    only: Only = [],  # noqa: B006
    discontinuous: Discontinuous = "cover",
    lenient: Lenient = False,
    strict: Strict = False,
) -> None:
    """Convert BRAT folders to a DocBin for spaCy.

    Notes are kept whole. Notes with the same name are joined: give the folders of all labels of one
    language. What was merged, trimmed, moved or lost is reported.

    With --corpus, writes temist/LANG.spacy (general cases) and cardioccc/LANG.spacy (cardiology
    notes), of what there is. For xx, there is a file for each language, tokenized for a
    multilingual pipeline. Notes of the same name whose texts differ become documents of their own.
    """
    from spacy_cardioner.corpus import write_docbin

    if bool(corpus) == bool(folders):
        raise typer.BadParameter("give either FOLDERS or --corpus")
    jobs: dict[Path, list[Path | Folder]] = {output: [*(folders or ())]}
    known: list[str] = []
    if corpus:
        found = layout.find(named(corpus), lang)
        known = layout.labels(found)
        jobs = {}
        for folder in found:
            jobs.setdefault(output / folder.part / f"{folder.lang}.spacy", []).append(folder)
    for path, inputs in jobs.items():
        docs, report = _convert(inputs, lang, label, only, discontinuous, lenient, strict, known)
        write_docbin(path, docs)
        if corpus:
            echo(f"{path}:")
        echo(report.table(text_is_shown()))


def audit(
    folders: Annotated[list[Path], typer.Argument(help="Folders with .txt and .ann files.")],
    lang: Lang,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write the audit as JSON.")
    ] = None,
    label: Relabel = [],  # noqa: B006
    only: Only = [],  # noqa: B006
    discontinuous: Discontinuous = "cover",
    lenient: Lenient = False,
    strict: Strict = False,
) -> None:
    """Show what `convert` would change, by file and offset."""
    _, report = _convert(folders, lang, label, only, discontinuous, lenient, strict)
    if output is not None:
        data = report.to_dict(text_is_shown())
        write_texts({output: json.dumps(data, indent=2, ensure_ascii=False)})
    echo(report.table(text_is_shown()))


def split(
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON file to write.")],
    folders: Folders = None,
    corpus: Published = [],  # noqa: B006
    folds: Annotated[int, typer.Option(min=2, help="Number of folds.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the shuffle.")] = 13,
) -> None:
    """Split the documents of a corpus into folds for cross-validation.

    With --corpus, its cardiology notes. The folds depend only on the names of the notes and the
    seed: a note is in the same fold in all languages, and so are documents with its name.
    """
    from spacy_cardioner.training.folds import make_folds, write_folds

    if bool(corpus) == bool(folders):
        raise typer.BadParameter("give either FOLDERS or --corpus")
    names = document_names((Folder(path, path) for path in folders or ()), separate=False)
    if corpus:
        found = layout.find(named(corpus), part=layout.SPLIT)
        for lang in layout.LANGUAGES:
            names |= document_names(folder for folder in found if folder.lang == lang)
    made = make_folds(names, folds, seed)
    write_folds(output, made, seed)
    sizes = ", ".join(str(len(fold)) for fold in made)
    echo(f"{len(names)} documents in {folds} folds: {sizes}")


def _convert(
    folders: Sequence[Path | Folder],
    lang: str,
    label: list[str],
    only: list[str],
    discontinuous: Any,
    lenient: bool,
    strict: bool,
    known: Sequence[str] = (),
) -> tuple[list[Doc], Audit]:
    from spacy_cardioner import brat, corpus
    from spacy_cardioner.audit import Audit
    from spacy_cardioner.tokenizer import blank

    rename = renames(label)
    if discontinuous not in get_args(brat.Discontinuous):
        raise typer.BadParameter(f"'{discontinuous}' is unknown", param_hint="--discontinuous")
    report = Audit()
    docs = corpus.convert(
        folders,
        blank(lang),
        rename=rename,
        only=only or None,
        known=known,
        discontinuous=discontinuous,
        separate=any(isinstance(folder, Folder) for folder in folders),
        lenient=lenient,
        audit=report,
    )
    if strict and report.lost:
        named = [change.describe(text_is_shown()) for change in report.lost]
        raise CardionerError(f"{len(report.lost)} entities would be lost:", *named)
    return docs, report
