"""Path files: what is read is what was written, and what is of other models or damaged is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from prunec.calibration.pathfile import Findings, load_findings, save_findings
from prunec.errors import InputError
from prunec.facts import CostModel, Damage, Family, Scores, SolutionPath, Structure, Sublayer
from prunec.ir.program import Program
from tests.ir.sketch import Sketch, aten

STRUCTURE = Structure(
    (Family("a.b", "neuron", 3, (), ()), Family("c", "head", 2, (), ())), (Sublayer("c", "ffn", "", "", "", ("c",)),)
)
UNITS = {"a.b": np.array([0.5, 1e-300, 3.0]), "c": np.arange(2.0)}
SCORES = Scores("taylor", "abc", UNITS, {"c": 0.25}, "nats", {"c": -0.5})
DAMAGE = Damage("nats", {"a.b": ((0, 0.0), (1, 0.1), (2, 0.7)), "c": ((0, 0.0), (1, 1e-9))}, {"c": 2.5})
PATH = SolutionPath("solution-path", "abc", UNITS)
Change = Callable[[dict[str, np.ndarray], dict[str, str]], object]


def program(value: float = 1.0) -> Program:
    """A program of one weight."""
    sketch = Sketch()
    return sketch.program(sketch(aten.mul.Tensor, sketch.input("x", 2), sketch.stored("w", torch.tensor([value, 2]))))


def kept(folder: Path, *facts: object) -> Path:
    """A file of `facts` about the program."""
    path = folder / "slim.path.safetensors"
    save_findings(Findings.of(program(), STRUCTURE, {type(fact): fact for fact in facts}), path)
    return path


def changed(path: Path, change: Change) -> Path:
    """The file after `change` of its tensors and metadata."""
    with safe_open(path, framework="numpy") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(tensors, metadata)
    save_file(tensors, path, metadata)
    return path


def test_scores_and_damage_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = kept(tmp_path, SCORES, DAMAGE)
    found = load_findings(path)
    scores = found.facts[Scores]
    assert isinstance(scores, Scores)
    assert {name: values.tolist() for name, values in scores.units.items()} == {
        name: values.tolist() for name, values in UNITS.items()
    }
    assert replace(scores, units=SCORES.units) == SCORES
    assert found.facts[Damage] == DAMAGE
    assert SolutionPath not in found.facts
    found.require_fit(program(), STRUCTURE, path)


def test_a_solution_path_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = load_findings(kept(tmp_path, PATH)).facts[SolutionPath]
    assert isinstance(found, SolutionPath)
    assert replace(found, entries=PATH.entries) == PATH
    assert all(np.array_equal(found.entries[name], UNITS[name]) for name in UNITS)


def outlined(folder: Path) -> Path:
    """A file that says what its parts count."""
    path = folder / "slim.path.safetensors"
    counted = CostModel("parameters", 7.0, {"c": ((1, 2.5), (2, 5.0))})
    save_findings(Findings.of(program(), STRUCTURE, {SolutionPath: PATH}, counted), path)
    return path


def test_what_parts_count_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = load_findings(outlined(tmp_path)).outline
    assert found is not None
    assert found.parameters == CostModel("parameters", 7.0, {"c": ((1, 2.5), (2, 5.0))})
    assert found.structure == STRUCTURE
    assert load_findings(kept(tmp_path, PATH)).outline is None


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: plain.update(tables={"d": [[1, 1.0]]}),
        lambda plain: plain["families"][0].__setitem__(2, 9),
        lambda plain: plain.pop("constant"),
        lambda plain: plain.update(sublayers=7),
    ],
)
def test_an_outline_that_is_not_right_is_refused(change: Callable[[dict[str, Any]], object], tmp_path: Path) -> None:
    def spoil(tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
        plain = json.loads(metadata["outline"])
        change(plain)
        metadata["outline"] = json.dumps(plain)

    with pytest.raises(InputError, match="is damaged"):
        load_findings(changed(outlined(tmp_path), spoil))


def test_another_model_is_refused_and_the_own_one_named(tmp_path: Path) -> None:
    path = kept(tmp_path, PATH)
    with pytest.raises(InputError, match=r"is of another model \(a test\)"):
        load_findings(path).require_fit(program(1.5), STRUCTURE, path)


def test_other_units_of_the_model_are_refused(tmp_path: Path) -> None:
    path = kept(tmp_path, PATH)
    for other in (replace(STRUCTURE, sublayers=()), replace(STRUCTURE, families=STRUCTURE.families[:1])):
        with pytest.raises(InputError, match="is of other units of this model"):
            load_findings(path).require_fit(program(), other, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors, metadata: metadata.update(format="prunec path 2"), "was written by a newer prunec"),
        (lambda tensors, metadata: metadata.update(format="prunec scores 1"), "holds no path"),
        (lambda tensors, metadata: metadata.clear(), "holds no path"),
        (lambda tensors, metadata: metadata.update(facts="{"), "is damaged"),
        (lambda tensors, metadata: metadata.update(facts="[]"), "is damaged"),
        (lambda tensors, metadata: metadata.update(facts=json.dumps({"scores": {"x": 1}})), "is damaged"),
        (lambda tensors, metadata: metadata.pop("about"), "is damaged"),
        (lambda tensors, metadata: tensors["scores:c"].fill(np.nan), "a number is not finite"),
    ],
)
def test_a_file_that_is_not_right_is_refused(change: Change, message: str, tmp_path: Path) -> None:
    path = changed(kept(tmp_path, SCORES, DAMAGE), change)
    with pytest.raises(InputError, match=message):
        load_findings(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("scores:c", "holds no scores for the 2 units of c"),
        ("damage:c", "measured damage is missing"),
        ("solutionpath:c", "times of entry are missing"),
    ],
)
def test_a_file_without_a_family_is_refused(name: str, message: str, tmp_path: Path) -> None:
    path = changed(kept(tmp_path, SCORES, DAMAGE, PATH), lambda tensors, metadata: tensors.pop(name))
    with pytest.raises(InputError, match=message):
        load_findings(path).require_fit(program(), STRUCTURE, path)


def test_a_file_that_was_cut_off_is_refused_at_any_length(tmp_path: Path) -> None:
    path = kept(tmp_path, SCORES, DAMAGE)
    content = path.read_bytes()
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match="cannot be read"):
            load_findings(path)


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no path file"):
        load_findings(tmp_path / "none.safetensors")
