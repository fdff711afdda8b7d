"""The models and texts that criteria are compared on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """A model, what it is calibrated on and what it is measured on: files by name.

    Attributes:
        second: another text; `expert` scores by both, and no other criterion reads it; empty where there is none.
        measured: the texts that figures are of.
        tokens: of each text that is measured.
    """

    model: str
    calibration: str
    second: str
    measured: tuple[str, ...]
    tokens: int


CASES = {
    case.model: case
    for case in (
        Case(
            "smollm2-135m",
            calibration="text/wiki_calib.txt",
            second="text/tales_calib.txt",
            measured=("text/wiki_eval.txt", "text/tales_eval.txt"),
            tokens=2048,
        ),
        Case(
            "minilm-bbc",
            calibration="labels/bbc_topics_train.jsonl",
            second="",
            measured=("labels/bbc_topics_test.jsonl",),
            tokens=10**6,
        ),
    )
}


def named(case: Case, folder: Path) -> dict[str, Path]:
    """Both texts of `case`, which are in `folder`, by names as `--calibration` takes them."""
    paths = [folder / name for name in (case.calibration, case.second)]
    return {path.stem.replace("_", "-"): path for path in paths}
