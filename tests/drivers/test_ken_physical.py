"""`prunec ken --physical` says how much of each unit is not the base's, as scores that a compile reads."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import prunec
from prunec import cli
from prunec.calibration.scorefile import load_scores
from prunec.drivers import reverter
from prunec.facts import Structure
from tests.drivers.tunings import PREFIX, save_tensors, tensors_of

UP, DOWN = (f"encoder.layer.0.{part}.dense.weight" for part in ("intermediate", "output"))
NEURONS = f"{PREFIX}{DOWN.removesuffix('.weight')}"


@pytest.fixture(scope="module")
def structure(tiny_classifier_dir: Path) -> Structure:
    """What a compile could remove: tracing takes seconds."""
    return reverter.structure_of(tiny_classifier_dir, None)


@pytest.fixture(autouse=True)
def traced_once(structure: Structure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reverter, "structure_of", lambda *_: structure)


def test_scores_are_the_shares_of_what_is_not_the_bases(tuned: Path, base: Path, tmp_path: Path) -> None:
    scores = tmp_path / "kept.safetensors"
    prunec.ken(tuned, base, tmp_path / "a.safetensors", keep=0.25, physical=scores)
    after = tensors_of(prunec.apply_ken(tmp_path / "a.safetensors", base, tmp_path / "restored"))
    before = tensors_of(base)
    up, down = ((after[PREFIX + name] != before[name]).double().numpy() for name in (UP, DOWN))
    wanted = (up.sum(1) + down.sum(0)) / (2 * up.shape[1])
    assert load_scores(scores).units[NEURONS] == pytest.approx(wanted)
    assert len(set(wanted.tolist())) > 4


def test_units_that_tuning_left_as_they_were_went_back_whole(tuned: Path, base: Path, tmp_path: Path) -> None:
    after, before = tensors_of(tuned), tensors_of(base)
    before[UP][:5], before[DOWN][:, :5] = after[PREFIX + UP][:5], after[PREFIX + DOWN][:, :5]
    frozen = save_tensors(before, tmp_path / "frozen", base)
    report = prunec.ken(tuned, frozen, tmp_path / "a.safetensors", keep=1.0, physical=tmp_path / "kept.safetensors")
    assert report.physical is not None
    assert (report.physical.reverted, report.physical.least) == (5, 0)
    assert np.flatnonzero(load_scores(tmp_path / "kept.safetensors").units[NEURONS] == 0).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("settled")
def test_the_command_writes_a_file_for_each_share(
    structure: Structure, tuned: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["ken", str(tuned), "--base", str(base), "-o", str(tmp_path / "a.safetensors"), "--mode", "delta"]
    words += ["--keep", "0.1,0.5", "--physical", str(tmp_path / "kept.safetensors")]
    assert cli.main(words) == 0
    printed = capsys.readouterr().out
    units = sum(family.units for family in structure.families)
    for share in (0.1, 0.5):
        path = tmp_path / f"kept-{share}.safetensors"
        assert re.search(rf"{re.escape(str(path))}: \d+ of {units} units went back whole; \d", printed)
        assert load_scores(path).criterion == f"ken of tuning, delta {share}"


def test_weights_of_another_form_count_as_kept(
    structure: Structure, tuned: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = [replace(slot, tensor=f"fused.{slot.tensor}.all") for slot in structure.family(NEURONS).slots]
    other = replace(structure, families=(replace(structure.family(NEURONS), slots=tuple(moved)),))
    monkeypatch.setattr(reverter, "structure_of", lambda *_: other)
    report = prunec.ken(tuned, base, tmp_path / "a.safetensors", physical=tmp_path / "kept.safetensors")
    assert report.physical is not None
    assert (report.physical.reverted, report.physical.least) == (0, 1)
