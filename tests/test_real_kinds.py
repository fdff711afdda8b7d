"""Real models of other kinds than text in, text on: compiled from their folders, as the command does it.

python tools/fetch_models.py .cache/models --only dinov2-small,t5-titler,pictures,text
python -m pytest tests/test_real_kinds.py -m slow
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from prunec import cli

pytestmark = [pytest.mark.real, pytest.mark.slow]


def compiled(model: Path, output: Path, *options: str) -> dict[str, Any]:
    """The report of a compile without training."""
    usual: Sequence[str] = ("--search", "uniform", "--recover", "lsq", "--no-rival", "--quiet")
    assert cli.main([str(model), "-o", str(output), *usual, *options]) == 0
    report: dict[str, Any] = json.loads(output.with_suffix(".report.json").read_text())
    assert report["budget"]["held"]
    return report


def test_a_model_of_images_keeps_most_of_what_it_says(real_models: Path, tmp_path: Path) -> None:
    pictures = str(real_models / "pictures" / "calib")
    report = compiled(
        real_models / "dinov2-small", tmp_path / "slim.onnx", "--budget-params", "17M", "--calibration", pictures
    )
    assert report["loss"]["texts"][0]["slim"] > 0.9


def test_an_encoder_decoder_is_cut_on_both_sides(real_models: Path, tmp_path: Path) -> None:
    text = str(real_models / "text" / "wiki_calib.txt")
    report = compiled(
        real_models / "t5-titler", tmp_path / "slim.onnx", "--budget-params", "68M", "--calibration", text
    )
    shrunk = {
        layer["family"].partition(".")[0] for layer in report["layers"] if layer["slim_units"] < layer["dense_units"]
    }
    assert shrunk == {"encoder", "decoder"}
    assert report["loss"]["texts"][0]["slim"] < 1
