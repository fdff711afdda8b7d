"""Files to write: whether they can be, before any long work, and then whole or not at all."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from prunec.errors import InputError

FULL = {errno.ENOSPC, errno.EDQUOT}
STALE = 7 * 86_400.0
"""Seconds after which a kept state of long work, which nobody went on with, is removed."""


def check_output(output: Path, force: bool = False, sides: Iterable[Path] = ()) -> None:
    """Make sure that `output` and its side files can be written, before any long work. Leaves nothing behind.

    Raises:
        InputError: the folder is missing, no folder or not writable; one of the files is a folder; one
            exists and `force` is not given.
    """
    with _writable(output):
        _check_places(output, force, (output, *sides))


def check_folder(folder: Path, force: bool, *, mark: str, known: Callable[[str], bool]) -> None:
    """Make sure that a folder can be written as a whole, before any long work. Leaves nothing behind.

    What is in the folder already goes when it is replaced, so it must be what was written so before.

    Args:
        folder: to be written.
        force: whether an earlier one may be replaced.
        mark: the file by which an earlier one is known.
        known: whether an earlier one may hold another file of this name.

    Raises:
        InputError: the folder above is missing, no folder or not writable; the path is a file; the folder holds
            something else; it holds an earlier one and `force` is not given.
    """
    with _writable(folder):
        _check_parent(folder)
        if not folder.exists():
            return
        if not folder.is_dir():
            raise InputError(f"the output {folder} is a file, not a folder", "leave out the slash after its name")
        held = sorted(path.name for path in folder.iterdir())
        foreign = [name for name in held if mark not in held or not (name == mark or known(name))]
        if foreign:
            raise InputError(
                f"the output folder {folder} holds {foreign[0]}, which prunec did not write there",
                f"name a new folder, or a file in it such as {folder / 'slim.onnx'}",
            )
        if held and not force:
            raise InputError(f"{folder} exists already", "choose another --output, or replace it with --force")


@contextmanager
def _writable(output: Path) -> Iterator[None]:
    """Try to write beside `output` after the block; one line for what the system refuses in it."""
    try:
        yield
        with tempfile.TemporaryFile(dir=output.absolute().parent):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"the output {output} cannot be written ({reason})", "choose another --output") from error


def checked_file(
    output: str | os.PathLike[str] | None, suffix: str | tuple[str, ...], what: str, force: bool
) -> Path | None:
    """The path of a file that stands alone, checked as by `check_output`; None where nothing is to be written.

    Args:
        output: as given.
        suffix: what its name must end in, or several of which one.
        what: says what is written, as in `scores are`.
        force: whether an existing file may be replaced.

    Raises:
        InputError: the name ends otherwise, or it cannot be written.
    """
    if output is None:
        return None
    path, ends = Path(output), (suffix,) if isinstance(suffix, str) else suffix
    if path.suffix not in ends:
        known = " or ".join(ends)
        raise InputError(f"{what} written as {known}, not as {path.name}", f"end the name in {known}")
    check_output(path, force)
    return path


@contextmanager
def atomic_path(target: Path, bytes_needed: int | None = None) -> Iterator[Path]:
    """A path to write in place of `target`: it, and files written beside it, move into place together at the end.

    Whatever ends the block early, Ctrl-C included, leaves what was at `target` as it was and nothing beside it.

    Args:
        target: the file to be written; its folder exists.
        bytes_needed: about how much will be written, when that is known: too little room is then said at once.

    Yields:
        A path with the name of `target` in a new folder beside it.

    Raises:
        InputError: the folder cannot be written, or the disk is full.
    """
    try:
        _check_room(target, bytes_needed)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            yield Path(folder) / target.name
            _move_together(Path(folder), target)
    except OSError as error:
        raise explained(error, target, bytes_needed) from error


def publish(staged: Path, target: Path, stale: Iterable[Path] = ()) -> None:
    """Move all files of the folder `staged`, on the same disk, beside `target`: all of them or, whatever happens, none.

    Args:
        staged: the folder.
        target: the main file.
        stale: what goes if it is there and nothing takes its place: files of what `target` was before.

    Raises:
        InputError: a file cannot be moved; what was at `target` and beside it is as before.
    """
    try:
        _move_together(staged, target, stale)
    except OSError as error:
        raise explained(error, target) from error


def publish_folder(staged: Path, folder: Path) -> None:
    """Rename `staged`, on the same disk, to `folder`, in the place of what is there: whole or not at all.

    What was there lies beside `staged` afterwards.

    Raises:
        InputError: it cannot be renamed; what was at `folder` is as before.
    """
    before = staged.with_name("before")
    try:
        _share(list(staged.iterdir()))
        for path in staged.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        try:
            if folder.exists():
                folder.rename(before)
            staged.rename(folder)
        except BaseException:
            if before.exists() and not folder.exists():
                before.rename(folder)
            raise
    except OSError as error:
        raise explained(error, folder) from error


def write_text(target: Path, text: str) -> None:
    """Write `text` at `target` as UTF-8, whole or not at all; raises as `atomic_path` does."""
    with atomic_path(target) as path:
        path.write_text(text, encoding="utf-8")


def remove_stale(path: Path) -> None:
    """Remove the files beside `path`, of its suffix, that are older than `STALE`; `path` itself stays."""
    before = time.time() - STALE
    for other in path.parent.glob(f"*{path.suffix}"):
        with suppress(OSError):  # another process may have been quicker
            if other != path and other.stat().st_mtime < before:
                other.unlink()


def _check_room(target: Path, bytes_needed: int | None) -> None:
    if bytes_needed is not None and shutil.disk_usage(target.parent).free < bytes_needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _move_together(staged: Path, target: Path, stale: Iterable[Path] = ()) -> None:
    """Move side files first: `target` never names one that is not there yet. Undo it all when it cannot be finished."""
    paths = sorted(staged.iterdir(), key=lambda path: path.name == target.name)
    _share(paths)
    with tempfile.TemporaryDirectory(prefix=".before-", dir=staged) as before:
        moves = {target.parent / path.name: path for path in paths}
        old = [place for place in {*moves, *stale} if place.exists()]
        kept = {place: Path(before) / place.name for place in old}
        try:
            for place, backup in kept.items():
                _keep(place, backup)
            for place, path in moves.items():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                path.replace(place)
            for place in old:
                if place not in moves:
                    place.unlink()
        except BaseException:
            _undo(kept, moves)
            raise


def _share(paths: Sequence[Path]) -> None:
    """Give files in one folder the permissions of new ones: safetensors keeps those that it writes to their owner."""
    if not paths:
        return
    new = paths[0].with_name(".new")
    new.touch()
    mode = new.stat().st_mode
    new.unlink()
    for path in paths:
        path.chmod(mode)


def _keep(place: Path, backup: Path) -> None:
    """A second name for what is at `place`, which stays there; a copy where the disk knows no second names."""
    try:
        backup.hardlink_to(place)
    except OSError:
        shutil.copy2(place, backup)


def _undo(kept: Mapping[Path, Path], moves: Mapping[Path, Path]) -> None:
    """Put back what was there, or nothing, in every place."""
    for place, path in moves.items():
        if not path.exists() and place not in kept:
            place.unlink(missing_ok=True)
    for place, backup in kept.items():
        if backup.exists():
            backup.replace(place)


def explained(error: OSError, target: Path, bytes_needed: int | None = None) -> InputError:
    """The error of a file that cannot be written, as one line that says why."""
    if error.errno in FULL:
        needed = "" if bytes_needed is None else f": {bytes_needed:,} bytes are needed"
        return InputError(f"the disk is full while writing {target}{needed}", "free some space or write elsewhere")
    reason = error.strerror or str(error)
    return InputError(f"{target} cannot be written ({reason})", "name a file in a folder that exists and is writable")


def _check_parent(output: Path) -> None:
    folder = output.parent
    if not folder.exists():
        raise InputError(
            f"the output folder {folder} does not exist", f"create it: mkdir -p {shlex.quote(str(folder))}"
        )
    if not folder.is_dir():
        raise InputError(f"{folder}, where {output.name} should go, is not a folder", "choose another --output")


def _check_places(output: Path, force: bool, files: Iterable[Path]) -> None:
    _check_parent(output)
    for path in files:
        if path.is_dir():
            raise InputError(f"the output {path} is a folder", "name a file in it, such as slim.onnx")
        if path.exists() and not force:
            raise InputError(f"{path} exists already", "choose another --output, or replace it with --force")
