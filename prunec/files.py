"""Files to write: whether they can be, before any long work, and then whole or not at all."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prunec.errors import InputError

FULL = {errno.ENOSPC, errno.EDQUOT}


def check_output(output: Path, force: bool = False, sides: Iterable[Path] = ()) -> None:
    """Make sure that `output` and its side files can be written, before any long work. Leaves nothing behind.

    Raises:
        InputError: the folder is missing, no folder or not writable; one of the files is a folder; one
            exists and `force` is not given.
    """
    try:
        _check_places(output, force, (output, *sides))
        with tempfile.TemporaryFile(dir=output.parent):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"the output {output} cannot be written ({reason})", "choose another --output") from error


def checked_file(output: str | os.PathLike[str] | None, suffix: str, what: str, force: bool) -> Path | None:
    """The path of a file that stands alone, checked as by `check_output`; None where nothing is to be written.

    Args:
        output: as given.
        suffix: what its name must end in.
        what: says what is written, as in `scores are`.
        force: whether an existing file may be replaced.

    Raises:
        InputError: the name ends otherwise, or it cannot be written.
    """
    if output is None:
        return None
    path = Path(output)
    if path.suffix != suffix:
        raise InputError(f"{what} written as {suffix}, not as {path.name}", f"end the name in {suffix}")
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
        raise _explained(error, target, bytes_needed) from error


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
        raise _explained(error, target, None) from error


def write_text(target: Path, text: str) -> None:
    """Write `text` at `target` as UTF-8, whole or not at all; raises as `atomic_path` does."""
    with atomic_path(target) as path:
        path.write_text(text, encoding="utf-8")


def _check_room(target: Path, bytes_needed: int | None) -> None:
    if bytes_needed is not None and shutil.disk_usage(target.parent).free < bytes_needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _move_together(staged: Path, target: Path, stale: Iterable[Path] = ()) -> None:
    """Move side files first: `target` never names one that is not there yet. Undo it all when it cannot be finished."""
    paths = sorted(staged.iterdir(), key=lambda path: path.name == target.name)
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


def _explained(error: OSError, target: Path, bytes_needed: int | None) -> InputError:
    if error.errno in FULL:
        needed = "" if bytes_needed is None else f": {bytes_needed:,} bytes are needed"
        return InputError(f"the disk is full while writing {target}{needed}", "free some space or write elsewhere")
    reason = error.strerror or str(error)
    return InputError(f"{target} cannot be written ({reason})", "name a file in a folder that exists and is writable")


def _check_places(output: Path, force: bool, files: Iterable[Path]) -> None:
    folder = output.parent
    if not folder.exists():
        raise InputError(
            f"the output folder {folder} does not exist", f"create it: mkdir -p {shlex.quote(str(folder))}"
        )
    if not folder.is_dir():
        raise InputError(f"{folder}, where {output.name} should go, is not a folder", "choose another --output")
    for path in files:
        if path.is_dir():
            raise InputError(f"the output {path} is a folder", "name a file in it, such as slim.onnx")
        if path.exists() and not force:
            raise InputError(f"{path} exists already", "choose another --output, or replace it with --force")
