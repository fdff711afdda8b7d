"""Tensors are written as safetensors, and what the system refuses is an error of the system's."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from prunec.calibration.checkpoint import Checkpoint, save_tensors
from prunec.calibration.scorefile import save_scores
from prunec.errors import InputError
from prunec.facts import Scores
from tests.test_bad_input import raising


def test_what_is_written_is_read(tmp_path: Path) -> None:
    save_tensors({"a": torch.arange(3.0)}, tmp_path / "model.safetensors")
    assert Checkpoint.of(tmp_path)["a"].tolist() == [0.0, 1.0, 2.0]


def test_what_the_system_refuses_has_its_number(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        save_tensors({"a": torch.zeros(2)}, tmp_path / "none" / "model.safetensors")
    assert caught.value.errno == errno.ENOENT


def test_an_error_without_a_number_keeps_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prunec.calibration.checkpoint.save_file", raising(SafetensorError("header too large")))
    with pytest.raises(OSError, match="header too large"):
        save_tensors({"a": torch.zeros(2)}, tmp_path / "model.safetensors")


def test_a_full_disk_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    monkeypatch.setattr("prunec.calibration.checkpoint.save_file", raising(full))
    with pytest.raises(InputError, match="the disk is full while writing"):
        save_scores(Scores("taylor", "abc", {}), tmp_path / "scores.safetensors")
