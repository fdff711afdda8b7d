"""Cost tables outlive the run; damaged files do not matter."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunec.cost.cache import Kept, TableCache, cpu_model, machine_id
from prunec.cost.workload import default_threads

KEY = {"runtime": "onnxruntime 1", "sizes": [1, 2], "workload": "encode:1x128"}
KEPT = Kept(((1, 0.25), (64, 1.5)), 0.9)


class Notes:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def item(self, text: str, done: int, total: int) -> None:
        raise AssertionError(text)

    def note(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.said.append(text)


def test_what_is_written_is_read_by_another_process(tmp_path: Path) -> None:
    TableCache(tmp_path / "new" / "cost").write(KEY, KEPT)
    assert TableCache(tmp_path / "new" / "cost").read(dict(reversed(KEY.items()))) == KEPT


@pytest.mark.parametrize("change", [{"runtime": "onnxruntime 2"}, {"sizes": [1, 3]}, {"more": 1}])
def test_another_key_is_another_table(change: dict[str, object], tmp_path: Path) -> None:
    cache = TableCache(tmp_path)
    cache.write(KEY, KEPT)
    assert cache.read(KEY | change) is None


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"table": [1]}', b'{"table": [[1, 2]]}', b'{"table": [[1, "x"]]}', b"\xff\xfe"]
)
def test_a_damaged_file_is_as_none_with_a_note(damage: bytes, tmp_path: Path) -> None:
    notes = Notes()
    cache = TableCache(tmp_path, notes)
    cache.write(KEY, KEPT)
    next(tmp_path.iterdir()).write_bytes(damage)
    assert cache.read(KEY) is None
    assert "is damaged" in notes.said[0]
    cache.write(KEY, KEPT)
    assert cache.read(KEY) == KEPT


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    notes = Notes()
    (tmp_path / "file").write_text("in the way")
    TableCache(tmp_path / "file" / "cost", notes).write(KEY, KEPT)
    assert "could not be kept" in notes.said[0]


def test_the_machine_is_named_by_processor_and_cores() -> None:
    assert cpu_model() in machine_id()
    assert f"{default_threads()} cores" in machine_id()
