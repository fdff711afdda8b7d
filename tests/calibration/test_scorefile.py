"""Scores are kept as files, and refused where they are of other units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from prunec.calibration.scorefile import load_scores, require_fit, save_scores
from prunec.errors import InputError
from prunec.facts import Family, Scores, Structure, Sublayer

SCORES = Scores("taylor", "abc", {"a.b": np.array([0.5, 1e-300, 3.0]), "c": np.arange(2.0)})
STRUCTURE = Structure((Family("a.b", "neuron", 3, (), ()), Family("c", "head", 2, (), ())), ())


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    save_scores(SCORES, tmp_path / "s.safetensors")
    found = load_scores(tmp_path / "s.safetensors")
    assert (found.criterion, found.data_hash) == ("taylor", "abc")
    assert {name: values.tolist() for name, values in found.units.items()} == {
        "a.b": [0.5, 1e-300, 3.0],
        "c": [0.0, 1.0],
    }
    require_fit(found, STRUCTURE, tmp_path)


def test_sublayers_are_kept_beside_units_of_the_same_name(tmp_path: Path) -> None:
    given = Scores("loss", "abc", SCORES.units, {"c": 0.1, "d": 2.0}, "nats", {"c": -0.5})
    save_scores(given, tmp_path / "s.safetensors")
    found = load_scores(tmp_path / "s.safetensors")
    assert (found.sublayers, found.unit, found.undone) == (given.sublayers, given.unit, given.undone)
    assert found.units.keys() == given.units.keys()


def test_files_from_before_there_were_sublayers_are_read(tmp_path: Path) -> None:
    metadata = {"format": "prunec scores 1", "criterion": "taylor", "data_hash": "abc"}
    save_file({"c": np.arange(2.0)}, tmp_path / "s.safetensors", metadata)
    found = load_scores(tmp_path / "s.safetensors")
    assert (found.units["c"].tolist(), found.sublayers, found.unit) == ([0.0, 1.0], {}, "")


def test_scores_of_other_sublayers_are_refused() -> None:
    one = Structure(STRUCTURE.families, (Sublayer("mlp", "ffn", "", "", "", ("c",)),))
    require_fit(Scores("loss", "", {}, {"mlp": 0.0}), one, Path("s"))
    for sublayers in ({"other": 0.0}, {"mlp": np.nan}):
        with pytest.raises(InputError, match="no finite score of mlp"):
            require_fit(Scores("loss", "", {}, sublayers), one, Path("s"))


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file of scores"):
        load_scores(tmp_path / "s.safetensors")


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("scores")
    save_file({"weight": np.zeros(3)}, tmp_path / "weights")
    with pytest.raises(InputError, match="cannot be read"):
        load_scores(tmp_path / "text")
    with pytest.raises(InputError, match="holds no scores"):
        load_scores(tmp_path / "weights")


@pytest.mark.parametrize(
    ("units", "match"),
    [
        ({"c": np.zeros(2)}, r"no scores for the 3 units of a\.b"),
        ({"a.b": np.zeros(4), "c": np.zeros(2)}, r"4 scores for the 3 units of a\.b"),
        ({"a.b": np.array([0, np.nan, 0]), "c": np.zeros(2)}, r"scores of a\.b that are not finite"),
    ],
)
def test_scores_of_other_units_are_refused(units: dict[str, np.ndarray], match: str) -> None:
    with pytest.raises(InputError, match=match):
        require_fit(Scores("taylor", "", units), STRUCTURE, Path("s"))
