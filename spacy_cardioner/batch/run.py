"""A run over many notes: in one go, or in parts that survive whatever happens between them."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from spacy_cardioner import __version__
from spacy_cardioner.batch.local import Annotate, started
from spacy_cardioner.batch.manifest import Manifest, Part, software
from spacy_cardioner.batch.readers import Source, SourceNote
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.writers import (
    Output,
    OutputFormat,
    Writer,
    make_writer,
    opened,
    opened_part,
    refuse_overwriting,
)
from spacy_cardioner.batch.writers.base import Put
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import PARTIAL

if TYPE_CHECKING:
    from spacy_cardioner.batch.engine import Annotated

PART = re.compile(r"part-([0-9]+)")


@dataclass
class Job:
    """What is to be done.

    source (Source): The notes.
    settings (Settings): How the pipeline is to be run.
    outputs (Sequence[Output]): What to write, and where to: files and folders, or folders of parts.
    with_text, with_attributes (bool): What the formats give besides, see `make_writer`.
    max_errors (int | None): How many notes may fail before the run is stopped; None for any number.
    part_size (int | None): How many notes make a part; None for no parts.
    resume (bool): Go on with a run that was stopped.
    overwrite (bool): Begin again where there is an output already.
    progress (bool): Say on standard error why notes failed, which a run in parts writes to a file,
        and show a progress bar there, if it is a terminal and takes over two seconds.
    """

    source: Source
    settings: Settings
    outputs: Sequence[Output]
    with_text: bool = False
    with_attributes: bool = False
    max_errors: int | None = None
    part_size: int | None = None
    resume: bool = False
    overwrite: bool = False
    progress: bool = False

    @property
    def folder(self) -> Path:
        """Where the record of a run in parts lies."""
        path = self.outputs[0].path
        assert path is not None  # a run in parts has folders
        return path


@dataclass
class Summary:
    """What became of the notes: how many were annotated, how many failed, what was found."""

    annotated: int = 0
    failed: int = 0
    mentions: int = 0


def run(job: Job) -> Summary:
    """Annotate all notes, and write what is found.

    RAISES (CardionerError): The pipeline cannot be loaded, too many notes failed, an output cannot
        be written, or the run cannot be resumed.
    """
    for _, path in job.outputs:
        if path is not None:
            refuse_overwriting(job.source.paths(), path)
    if job.part_size is not None:
        return _in_parts(job, job.part_size)
    if not job.overwrite:
        _refuse_finished(job)
    return _at_once(job)


def _refuse_finished(job: Job) -> None:
    """RAISES (CardionerError): An output is here already."""
    for kind, path in job.outputs:
        if path is None:
            continue
        if path.is_file() or (kind is OutputFormat.brat and path.is_dir() and any(path.iterdir())):
            raise CardionerError(f"{path}: this is here already; --overwrite starts again")


def _at_once(job: Job) -> Summary:
    summary = Summary()
    with started(job.settings) as (annotate, identity), ExitStack() as stack:
        writers = _writers(job, identity, datetime.now())
        puts = [
            stack.enter_context(opened(writer, output.path))
            for writer, output in zip(writers, job.outputs, strict=True)
        ]
        for found in _annotated(job, annotate, 0):
            fault = _write(found, writers, puts)
            _count(job, summary, found, fault)
            if fault and job.progress:
                tqdm.write(f"skipped {found.note.id}: {fault}", file=sys.stderr)
    return summary


def _in_parts(job: Job, size: int) -> Summary:
    manifest = _existing(job)
    with started(job.settings) as (annotate, identity):
        about = {
            "software": software(),
            "model": identity,
            "inputs": job.source.describe(),
            "options": _options(job, size),
            "started": datetime.now().isoformat(timespec="seconds"),
        }
        if manifest is None or job.overwrite:
            manifest = _begin(job, about)
        manifest.check(about)
        done = manifest.done
        summary = Summary(done.notes, done.errors, done.mentions)
        if manifest.finished is None:
            _clean(job, manifest)
            when = datetime.fromisoformat(manifest.about["started"])
            writers = _writers(job, identity, when)
            found = _annotated(job, annotate, done.notes + done.errors)
            for first in found:
                _write_part(
                    job, manifest, summary, writers, chain([first], islice(found, size - 1))
                )
            manifest.finished = datetime.now().isoformat(timespec="seconds")
            manifest.save()
    return summary


def _write_part(
    job: Job,
    manifest: Manifest,
    summary: Summary,
    writers: Sequence[Writer],
    notes: Iterable[Annotated],
) -> None:
    """Write one part of each output. Only when all have their names is it recorded as done: what is
    not recorded is written again.
    """
    before = Part(summary.annotated, summary.failed, summary.mentions)
    number = len(manifest.parts)
    errors = []
    with ExitStack() as stack:
        puts = [
            stack.enter_context(
                opened_part(writer, part_path(output, writer, number), before.mentions + 1)
            )
            for writer, output in zip(writers, job.outputs, strict=True)
        ]
        for found in notes:
            fault = _write(found, writers, puts)
            _count(job, summary, found, fault)
            if fault:
                errors.append({"id": found.note.id, "reason": fault})
    part = Part(
        summary.annotated - before.notes,
        summary.failed - before.errors,
        summary.mentions - before.mentions,
    )
    manifest.add(part, errors)


def part_path(output: Output, writer: Writer, number: int) -> Path:
    """The file or folder of a part."""
    assert output.path is not None  # a run in parts has folders
    return output.path / f"part-{number:05}{writer.ending}"


def _write(found: Annotated, writers: Sequence[Writer], puts: Sequence[Put]) -> str:
    """Write a note to all outputs, or to none. RETURNS (str): Why to none, or ""."""
    if found.note.fault:
        return found.note.fault
    try:
        rendered = [writer.render(found) for writer in writers]
    except CardionerError as error:
        return str(error)
    for put, one in zip(puts, rendered, strict=True):
        put(one)
    return ""


def _count(job: Job, summary: Summary, found: Annotated, fault: str) -> None:
    if not fault:
        summary.annotated += 1
        summary.mentions += len(found.mentions)
        return
    summary.failed += 1
    if job.max_errors is not None and summary.failed > job.max_errors:
        raise CardionerError(
            f"{summary.failed} notes failed, more than --max-errors {job.max_errors}; "
            f"the last is {found.note.id}: {fault}"
        )


def _annotated(job: Job, annotate: Annotate, skipped: int) -> Iterator[Annotated]:
    notes: Iterator[SourceNote] = job.source.after(skipped)
    hidden = None if job.progress else True  # None: where standard error is no terminal
    total = len(job.source) or None
    with tqdm(total=total, initial=skipped, unit="note", delay=2, disable=hidden) as bar:
        for found in annotate(notes):
            yield found
            bar.update()


def _writers(job: Job, identity: dict[str, Any], when: datetime) -> list[Writer]:
    system = f"{identity['name']} {identity['version']} (spacy_cardioner {__version__})"
    return [
        make_writer(
            output,
            system=system,
            when=when,
            with_text=job.with_text,
            with_attributes=job.with_attributes,
        )
        for output in job.outputs
    ]


def _existing(job: Job) -> Manifest | None:
    """The record of the run that wrote to these folders before, or None.

    RAISES (CardionerError): There is something that must not be overwritten.
    """
    manifest = Manifest.read(job.folder)
    if manifest is not None and not (job.resume or job.overwrite):
        state = "there is a finished run" if manifest.finished else "a run was stopped"
        remedy = "" if manifest.finished else "--resume goes on with it, "
        raise CardionerError(f"{job.folder}: {state} here; {remedy}--overwrite starts again")
    known = [path for _, path in manifest.about["options"]["outputs"]] if manifest else []
    for folder in _folders(job):
        if str(folder) not in known and folder.exists():
            if not folder.is_dir() or any(not _unfinished(path) for path in folder.iterdir()):
                raise CardionerError(
                    f"{folder}: there is something here that no run in parts has written; "
                    "give the name of a new folder"
                )
    return manifest


def _folders(job: Job) -> list[Path]:
    return [output.path for output in job.outputs if output.path is not None]


def _begin(job: Job, about: dict[str, Any]) -> Manifest:
    """Make the folders, and a record that knows of no part, in the place of an older one."""
    for folder in _folders(job):
        folder.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(job.folder, about)
    manifest.save()
    return manifest


def _clean(job: Job, manifest: Manifest) -> None:
    """Remove what is not recorded: half parts, whole ones, and those of a run to be overwritten."""
    manifest.restore()
    for folder in _folders(job):
        for path in folder.iterdir():
            number = PART.match(path.name)
            if _unfinished(path) or (number and int(number[1]) >= len(manifest.parts)):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def _unfinished(path: Path) -> bool:
    return path.name.startswith(PARTIAL)


def _options(job: Job, size: int) -> dict[str, Any]:
    """What decides on what is written, and into which part."""
    return {
        "outputs": [[kind.value, str(path)] for kind, path in job.outputs],
        "part_size": size,
        "with_text": job.with_text,
        "with_attributes": job.with_attributes,
        "columns": list(getattr(job.source, "columns", ())[:2]),
    }


def wants_docs(outputs: Sequence[Output]) -> bool:
    """Whether an output needs the pipeline's documents."""
    return any(kind is OutputFormat.docbin for kind, _ in outputs)
