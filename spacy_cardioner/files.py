"""Files that are complete or absent, locks, checksums, manifests, and the files of this package."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, combinations, product
from pathlib import Path
from typing import IO, Any

import srsly

from spacy_cardioner.errors import CardionerError, reason, tell

# The files of this package, in a folder for each language.
RESOURCES = Path(__file__).parent / "resources"
# Name prefix of a file or folder that is being written. The suffix of each is its own.
PARTIAL = ".partial-"
LEFTOVER = re.compile(rf"{re.escape(PARTIAL)}(?P<name>.+)-[0-9a-f]{{8}}", re.DOTALL)
LOCK = ".lock"
PACKAGES = ("spacy-cardioner", "spacy", "thinc", "numpy", "spacy-transformers", "torch")
BLOCK = 1 << 20
# What a file system says that has no locks, or cannot flush folders.
UNABLE = {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


@contextmanager
def locked(path: Path, *, folder: bool = False, wait: float = 0) -> Iterator[None]:
    """Keep other processes that ask for the same lock out of a file or folder.

    The lock is advisory. The system frees it when the process ends in any way; a lock file that a
    killed process left is used again. What killed processes left of their writing is removed.

    folder (bool): The output is a folder. It is created, and the lock file lies in it. The lock
        file of a file lies beside it. Devices and pipes have no lock.
    wait (float): Seconds to wait for another holder, for a file that is changed in a moment.
    RAISES (CardionerError): Another process has the lock, or this one has it already.
    """
    if _special(path):
        yield
        return
    path = path.resolve()  # only now: /dev/stdout may resolve to what is no path
    made = folder and not path.exists()
    lock = path / LOCK if folder else path.with_name(f".{path.name}{LOCK}")
    held, alone = _lock(lock, path, time.monotonic() + wait)
    try:
        for left in _leftovers(path, folder) if alone else ():
            remove(left)
        yield
    finally:
        # The file is removed before it is unlocked: `_lock` checks that it has not lost it.
        lock.unlink(missing_ok=True)
        os.close(held)
        if made:
            with suppress(OSError):
                path.rmdir()  # nothing was written


def _lock(lock: Path, path: Path, until: float) -> tuple[int, bool]:
    """Lock a file. RETURNS (tuple[int, bool]): Its descriptor, and whether it could be locked."""
    while True:
        make_folder(lock.parent)
        held = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(held, 100).decode("ascii", "replace") or "another process"
            os.close(held)
            if time.monotonic() < until:
                time.sleep(0.02)
                continue
            raise CardionerError(
                f"{path}: {holder} is writing it; wait for its end, or give another output"
            ) from error
        except OSError as error:
            if error.errno not in UNABLE:
                os.close(held)
                raise
            tell(f"warning: {path}: the file system has no locks; do not start a second run on it")
            return held, False
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(held), os.stat(lock)):
                os.ftruncate(held, 0)
                os.write(held, f"process {os.getpid()} on {platform.node()}".encode())
                return held, True
        os.close(held)  # its last holder removed it after it was opened


def _leftovers(path: Path, folder: bool) -> list[Path]:
    """Partial files of a file, or in a folder."""
    found = [
        (LEFTOVER.fullmatch(one.name), one) for one in (path if folder else path.parent).iterdir()
    ]
    return [one for match, one in found if match and (folder or match["name"] == path.name)]


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that it holds."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def temporary(path: Path) -> Path:
    """A new name beside a path, for what replaces it when it is complete."""
    return path.with_name(f"{PARTIAL}{path.name}-{secrets.token_hex(4)}")


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file that replaces the old one only when it is complete and on the disk.

    Devices and pipes, such as /dev/stdout, are written to as they are.
    """
    if _special(path):
        with path.open("wb") as stream:
            yield stream
        return
    make_folder(path.parent)
    partial = temporary(path)
    try:
        with partial.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Fill a folder that appears under its name only when it is complete.

    What the block writes is on the disk only if the block waits for it, see `sync`.
    """
    make_folder(path.parent)
    partial = temporary(path)
    try:
        # Inside the block, because Ctrl-C may come right after the folder is created.
        partial.mkdir()
        yield partial
        if os.path.lexists(path):
            remove(path)
        partial.rename(path)
        sync(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def target(path: Path) -> Path:
    """The file that a path leads to over links. Devices and pipes stay as they are."""
    return path if _special(path) else path.resolve()


def _special(path: Path) -> bool:
    return path.exists() and not (path.is_file() or path.is_dir())


def make_folder(path: Path) -> None:
    """Create a folder and those above it, on the disk too."""
    above = path
    while not above.exists():
        above = above.parent
    path.mkdir(parents=True, exist_ok=True)
    while path != above:
        path = path.parent
        sync(path)


def sync(path: Path) -> None:
    """Wait until a file, or the list of the files in a folder, is on the disk."""
    stream = os.open(path, os.O_RDONLY)
    try:
        os.fsync(stream)
    except OSError as error:
        if error.errno not in UNABLE:
            raise
    finally:
        os.close(stream)


def refuse_overlap(inputs: Iterable[Path], outputs: Iterable[Path]) -> None:
    """Check that no output is, holds or lies in an input or another output.

    Links, other names and hard links of a file or folder count as it. Devices and pipes count as
    nothing.

    inputs (Iterable[Path]): Files and folders that are read.
    RAISES (CardionerError): An output does.
    """
    known: dict[str, list[object]] = {}
    written = [(path, _place(path, known)) for path in outputs]
    read = ((path, _place(path, known)) for path in inputs)
    for (path, (itself, *above)), (output, (its_own, *over)) in chain(
        product(read, written), combinations(written, 2)
    ):
        if itself == its_own or itself in over or its_own in above:
            raise CardionerError(
                f"{output}: is, holds or lies in {path}, which the same command reads or writes; "
                "write somewhere else"
            )


def _place(path: Path, known: dict[str, list[object]]) -> list[object]:
    """A file or folder and those that it lies in, as what the system takes them for.

    known (dict[str, list[object]]): What was found for folders, as inputs may be many.
    """
    real = os.path.realpath(path)
    folder = os.path.dirname(real)
    if folder not in known:
        known[folder] = [_itself(folder), *(_itself(str(one)) for one in Path(folder).parents)]
    return [_itself(real), *known[folder]]


def _itself(real: str) -> object:
    try:
        found = os.stat(real)
    except OSError:
        return real
    plain = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
    return (found.st_dev, found.st_ino) if plain else object()


def write_texts(files: Mapping[Path, str]) -> None:
    """Write all text files or none of them. RAISES (CardionerError): A file cannot be written."""
    with ExitStack() as stack:
        for path, text in files.items():
            try:
                stack.enter_context(whole_file(target(path))).write(text.encode("utf-8"))
            except (OSError, ValueError) as error:
                raise CardionerError(f"{path}: cannot be written ({reason(error)})") from error


def checksum(path: Path) -> str:
    """SHA-256 of a file, or of the files of a folder in the order of their names."""
    digest = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        if file is not path:
            digest.update(str(file.relative_to(path)).encode())
        with file.open("rb") as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
    return digest.hexdigest()


def versions(*more: str) -> dict[str, str]:
    """Versions of Python and of the installed packages that a result depends on.

    more (str): Other packages that it depends on.
    """
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, *more):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def manifest(files: Iterable[Path], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Describe what a result was made from.

    files (Iterable[Path]): Inputs: configs, corpora, models. They are listed by name without their
        folder, so that the same inputs give the same manifest anywhere.
    """
    return {
        "inputs": [{"name": path.name, "sha256": checksum(path)} for path in files],
        "settings": dict(settings),
        "versions": versions(),
    }


@contextmanager
def claimed(output: Path, claim: dict[str, Any]) -> Iterator[None]:
    """Keep a folder for the results of a manifest, which is written there.

    Other processes are kept out until the block ends, see `locked`.

    RAISES (CardionerError): The folder holds results of another manifest, or another process
        writes there.
    """
    path = output / "manifest.json"
    with locked(output, folder=True):
        if path.exists() and srsly.read_json(path) != claim:
            raise CardionerError(
                f"{output}: holds results of other data, settings or versions (see its "
                "manifest.json); give another output folder or delete this one"
            )
        with whole_file(path) as stream:
            stream.write(srsly.json_dumps(claim, indent=2).encode())
        yield


def resources(lang: str, name: str) -> list[Path]:
    """Our file of a language, or those of all languages for one without, such as "xx"."""
    own = RESOURCES / lang / name
    return [own] if own.is_file() else sorted(RESOURCES.glob(f"*/{name}"))
