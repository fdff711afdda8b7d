"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import pytest

from prunec.errors import InputError
from prunec.files import atomic_path, check_output, checked_file, publish, publish_folder, write_text


def test_the_file_and_those_beside_it_move_into_place(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.bin") as part:
        part.write_bytes(b"main")
        part.with_name("a.bin.data").write_bytes(b"side")
        assert not (tmp_path / "a.bin").exists()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.bin": b"main", "a.bin.data": b"side"}


@pytest.mark.parametrize("end", [KeyboardInterrupt, ValueError])
def test_an_early_end_leaves_everything_as_it_was(end: type[BaseException], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")

    def write() -> None:
        with atomic_path(tmp_path / "a.txt") as part:
            part.write_text("half of the ne")
            raise end

    with pytest.raises(end):
        write()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "old"}


def test_a_full_disk_is_said_with_path_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, *args: object, **options: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InputError, match=r"disk is full while writing .*a\.txt"):
        write_text(tmp_path / "a.txt", "text")
    assert not list(tmp_path.iterdir())


def test_too_little_room_is_said_before_anything_is_written(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_path(tmp_path / "a.bin", bytes_needed=10**18):
            pytest.fail("the block must not run")

    with pytest.raises(InputError, match="1,000,000,000,000,000,000 bytes are needed"):
        write()


def test_a_folder_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_text(tmp_path / "none" / "a.txt", "text")


def staged(folder: Path, **files: str) -> Path:
    """A folder with new files in it."""
    new = folder / "new"
    new.mkdir()
    for name, text in files.items():
        (new / name).write_text(text)
    return new


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_publishing_replaces_what_was_there_and_removes_what_is_stale(tmp_path: Path) -> None:
    for name in ("main", "side", "other"):
        (tmp_path / name).write_text("old")
    publish(staged(tmp_path, main="new", report="new"), tmp_path / "main", [tmp_path / "side", tmp_path / "none"])
    assert contents(tmp_path) == {"main": "new", "report": "new", "other": "old"}


def test_publishing_that_fails_leaves_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("main", "side"):
        (tmp_path / name).write_text("old")
    new = staged(tmp_path, main="new", report="new")

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        unlink = Path.unlink
        patch.setattr(
            Path, "unlink", lambda self, **options: (refuse if self.name == "side" else unlink)(self, **options)
        )
        with pytest.raises(InputError, match="Permission denied"):
            publish(new, tmp_path / "main", [tmp_path / "side"])
    assert contents(tmp_path) == {"main": "old", "side": "old"}


def test_an_output_that_can_be_written_passes_and_leaves_nothing(tmp_path: Path) -> None:
    check_output(tmp_path / "slim.onnx")
    assert not list(tmp_path.iterdir())


def test_an_output_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not exist\. create it: mkdir -p '.*a b'"):
        check_output(tmp_path / "a b" / "slim.onnx")


def test_an_output_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not a folder"):
        check_output(tmp_path / "file" / "slim.onnx")


def test_a_folder_as_output_is_refused_even_with_force(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        check_output(tmp_path, force=True)


def test_an_existing_output_is_refused_without_force(tmp_path: Path) -> None:
    (tmp_path / "slim.onnx").touch()
    with pytest.raises(InputError, match=r"slim\.onnx exists already.*--force"):
        check_output(tmp_path / "slim.onnx")
    check_output(tmp_path / "slim.onnx", force=True)


def test_an_existing_side_file_is_refused_without_force(tmp_path: Path) -> None:
    side = tmp_path / "slim.onnx.data"
    side.touch()
    with pytest.raises(InputError, match=r"slim\.onnx\.data exists already"):
        check_output(tmp_path / "slim.onnx", sides=[side])
    check_output(tmp_path / "slim.onnx", force=True, sides=[side])


def test_a_name_too_long_for_the_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        check_output(tmp_path / ("a" * 300 + ".onnx"))


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(InputError, match=r"cannot be written \(Read-only file system\)"):
        check_output(tmp_path / "slim.onnx")


def test_a_file_that_stands_alone_has_no_report(tmp_path: Path) -> None:
    (tmp_path / "scores.report.json").touch()
    assert checked_file(tmp_path / "scores.safetensors", ".safetensors", "scores are", force=False)
    assert checked_file(None, ".safetensors", "scores are", force=False) is None
    with pytest.raises(InputError, match=r"scores are written as \.safetensors, not as scores\.npz"):
        checked_file(tmp_path / "scores.npz", ".safetensors", "scores are", force=False)


def test_files_can_be_read_by_whom_new_files_can(tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.touch()
    target = tmp_path / "kept"
    with atomic_path(target) as path:
        path.touch(mode=0o600)
    staged = tmp_path / "staged"
    staged.mkdir()
    (staged / "inside").touch(mode=0o600)
    publish_folder(staged, tmp_path / "folder")
    modes = {path.stat().st_mode for path in (new, target, tmp_path / "folder" / "inside")}
    assert len(modes) == 1
