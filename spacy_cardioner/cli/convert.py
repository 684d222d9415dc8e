"""``cardioner convert`` and ``cardioner audit``: BRAT folders to DocBins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import srsly
import typer

from spacy_cardioner import layout
from spacy_cardioner.errors import CardionerError

if TYPE_CHECKING:
    from spacy.tokens import Doc

    from spacy_cardioner.audit import Audit

Lang = Annotated[str, typer.Option(help="Language of the texts: es, en, it, or xx for several.")]
Label = Annotated[list[str], typer.Option(help="Rename a label: OLD=NEW. Repeatable.")]
Only = Annotated[list[str], typer.Option(help="Keep only this label. Repeatable.")]
Lenient = Annotated[bool, typer.Option(help="Skip and count malformed input.")]
Strict = Annotated[bool, typer.Option(help="Stop with an error if an entity would be lost.")]
ShowText = Annotated[bool, typer.Option(help="Show the text of mentions (patient data).")]
Discontinuous = Annotated[
    str,
    typer.Option(
        help="Discontinuous entities: 'cover' all fragments, take the 'first' or 'longest' "
        "fragment, or 'skip' the entity."
    ),
]


def convert(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The DocBin (.spacy) to write. With --corpus: the folder."
        ),
    ],
    lang: Lang,
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders with .txt and .ann files.")
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(help="Folder of the MultiCardioNER corpus, in place of FOLDERS."),
    ] = None,
    label: Label = [],  # noqa: B006
    only: Only = [],  # noqa: B006
    discontinuous: Discontinuous = "cover",
    lenient: Lenient = False,
    strict: Strict = False,
    show_text: ShowText = False,
) -> None:
    """Convert BRAT folders to a DocBin for spaCy.

    Notes are kept whole. Notes with the same name are joined: give the folders of all labels of one
    language. What was merged, trimmed, moved or lost is reported.

    With --corpus, writes temist/LANG.spacy (general cases) and cardioccc/LANG.spacy (cardiology
    notes). For xx, there is a file for each language, tokenized for a multilingual pipeline.
    """
    from spacy_cardioner.corpus import write_docbin

    if (corpus is None) == (not folders):
        raise typer.BadParameter("give either FOLDERS or --corpus")
    jobs = {output: folders or []}
    if corpus is not None:
        languages = layout.languages_of(lang)
        layout.check(corpus)
        jobs = {
            output / part / f"{language}.spacy": layout.folders(corpus, part, language)
            for part in layout.PARTS
            for language in languages
        }
    options = _options(label, only, discontinuous)
    for path, inputs in jobs.items():
        docs, report = _read(inputs, lang, lenient, strict, options)
        write_docbin(path, docs)
        if corpus is not None:
            typer.echo(f"{path}:")
        typer.echo(report.table(show_text))


def audit(
    folders: Annotated[list[Path], typer.Argument(help="Folders with .txt and .ann files.")],
    lang: Lang,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also write the audit as JSON."),
    ] = None,
    label: Label = [],  # noqa: B006
    only: Only = [],  # noqa: B006
    discontinuous: Discontinuous = "cover",
    lenient: Lenient = False,
    strict: Strict = False,
    show_text: ShowText = False,
) -> None:
    """Show what `convert` would change, by file and offset."""
    _, report = _read(folders, lang, lenient, strict, _options(label, only, discontinuous))
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        srsly.write_json(output, report.to_dict(show_text))
    typer.echo(report.table(show_text))


def _options(label: list[str], only: list[str], discontinuous: str) -> dict[str, Any]:
    if bad := [pair for pair in label if pair.count("=") != 1]:
        raise typer.BadParameter(f"'{bad[0]}' is not OLD=NEW", param_hint="--label")
    if discontinuous not in ("first", "longest", "cover", "skip"):
        raise typer.BadParameter(f"'{discontinuous}' is unknown", param_hint="--discontinuous")
    rename = dict(pair.split("=") for pair in label)
    return {"rename": rename, "only": only or None, "discontinuous": discontinuous}


def _read(
    folders: list[Path], lang: str, lenient: bool, strict: bool, options: dict[str, Any]
) -> tuple[list[Doc], Audit]:
    from spacy_cardioner.audit import Audit
    from spacy_cardioner.corpus import convert as convert_folders
    from spacy_cardioner.tokenizer import blank

    report = Audit()
    docs = convert_folders(folders, blank(lang), lenient=lenient, audit=report, **options)
    if strict and report.lost:
        named = "\n".join(change.describe() for change in report.lost)
        raise CardionerError(f"{len(report.lost)} entities would be lost:\n{named}")
    return docs, report
