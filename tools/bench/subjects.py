"""The real models that are measured, each with what it is calibrated on and what nobody has seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Subject:
    """A model of `tools/fetch_models.py`, and its texts: files by name, labelled ones in JSON lines; or its pictures.

    Attributes:
        model: its folder.
        calibration: the text that compiles are given.
        unseen: the texts that figures are of.
        second: another text to calibrate on, of another kind; empty where there is none.
        zero_shot: labelled texts that a language model is asked about (see `zero_shot.py`); empty for other models.
    """

    model: str
    calibration: str
    unseen: tuple[str, ...]
    second: str = ""
    zero_shot: str = ""

    def calibrations(self, folder: Path) -> dict[str, Path]:
        """Both texts to calibrate on, which are in `folder`, by names as `--calibration` takes them."""
        paths = [folder / name for name in (self.calibration, self.second) if name]
        return {path.stem.replace("_", "-"): path for path in paths}


WIKI, TALES = ("text/wiki_eval.txt", "text/tales_eval.txt"), "text/tales_calib.txt"
SUBJECTS = {
    subject.model: subject
    for subject in (
        Subject("minilm-l6", "text/wiki_calib.txt", WIKI, TALES),
        Subject("smollm2-135m", "text/wiki_calib.txt", WIKI, TALES, zero_shot="labels/bbc_topics_test.jsonl"),
        Subject("dinov2-small", "pictures/calib", ("pictures/eval",)),
        Subject("minilm-bbc", "labels/bbc_topics_train.jsonl", ("labels/bbc_topics_test.jsonl",)),
    )
}
