"""`ken` chooses in every row of every matrix, and says which entries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from prunec.calibration.rowselection import by_density_grid
from prunec.errors import InputError, PassError
from prunec.facts import RowSelection
from prunec.passbase import Context, Facts
from prunec.passes.analysis.ken import KenPass
from tests.passes.cases import Case

DOWN = "model.layers.1.mlp.down_proj.weight"


def kept(case: Case, context: Context, **options: object) -> RowSelection:
    (found,) = KenPass(**options).run(case.program, Facts(), context).facts  # type: ignore[arg-type]
    assert isinstance(found, RowSelection)
    return found


def save_base(case: Case, folder: Path, changed: dict[str, torch.Tensor], prefix: str = "") -> Path:
    """The case's weights as a checkpoint, some `changed`, with `prefix` before every name."""
    tensors = {name: value.detach() for name, value in case.program.tensors().items()} | changed
    folder.mkdir()
    save_file({prefix + name: value.clone() for name, value in tensors.items()}, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("mode", ["faithful", "magnitude", "random"])
def test_every_row_of_every_matrix_keeps_as_many(mode: str, case: Case, context: Context) -> None:
    found = kept(case, context, mode=mode, keep=0.25)
    matrices = {
        name: value for name, value in case.program.tensors().items() if value.dim() == 2 and value.is_floating_point()
    }
    assert found.mode == mode
    assert found.kept.keys() == matrices.keys()
    for name, chosen in found.kept.items():
        rows, length = matrices[name].shape
        assert chosen.shape == (rows, round(0.25 * length))
        assert (np.diff(chosen.astype(int), axis=1) > 0).all()
        assert chosen.max() < length


def test_faithful_is_the_published_choice_of_the_weights(llama: Case, context: Context) -> None:
    found = kept(llama, context)
    weight = llama.program.tensor(DOWN).detach().numpy()
    assert (found.kept[DOWN] == by_density_grid(weight, weight.shape[1] // 2)).all()


def test_as_many_entries_as_are_asked_for_stay_as_far_as_there_are(llama: Case, context: Context) -> None:
    found = kept(llama, context, mode="magnitude", rows=100)
    lengths = {name: llama.program.tensor(name).shape[1] for name in found.kept}
    assert {name: chosen.shape[1] for name, chosen in found.kept.items()} == {
        name: min(100, length) for name, length in lengths.items()
    }
    assert len(set(lengths.values())) > 1


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_what_was_changed_most_rarely_stays(prefix: str, llama: Case, context: Context, tmp_path: Path) -> None:
    before = llama.program.tensor(DOWN).detach().clone()
    before += 0.001 * torch.randn(before.shape, generator=torch.Generator().manual_seed(0))
    before[:, [3, 50]] -= 0.5
    base = save_base(llama, tmp_path / "base", {DOWN: before}, prefix)
    found = kept(llama, context, mode="delta", rows=2, base=base)
    assert (found.kept[DOWN] == [3, 50]).all()


def test_matrices_that_the_base_lacks_are_left_out(llama: Case, context: Context, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    save_file({DOWN: torch.zeros_like(llama.program.tensor(DOWN))}, tmp_path / "base" / "model.safetensors")
    result = KenPass("delta", base=tmp_path / "base").run(llama.program, Facts(), context)
    (found,) = result.facts
    assert isinstance(found, RowSelection)
    assert list(found.kept) == [DOWN]
    assert "that the base model lacks left out" in result.log


def test_a_base_of_another_shape_is_refused_by_name(llama: Case, context: Context, tmp_path: Path) -> None:
    base = save_base(llama, tmp_path / "base", {DOWN: torch.zeros(2, 3)})
    with pytest.raises(InputError, match=rf"{DOWN} in .* is \[2, 3\]"):
        kept(llama, context, mode="delta", base=base)


def test_a_base_of_another_model_is_refused(llama: Case, context: Context, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    save_file({"other.weight": torch.zeros(2, 2)}, tmp_path / "base" / "model.safetensors")
    with pytest.raises(InputError, match="holds no matrix of this model"):
        kept(llama, context, mode="delta", base=tmp_path / "base")


def test_a_base_that_cannot_be_read_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no safetensors weights"):
        KenPass("delta", base=tmp_path / "missing")
    (tmp_path / "model.safetensors").write_text("weights")
    with pytest.raises(InputError, match="cannot be read"):
        KenPass("delta", base=tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"keep": 0.0},
        {"keep": 1.5},
        {"rows": 0},
        {"keep": 0.5, "rows": 3},
        {"mode": "delta"},
        {"mode": "magnitude", "base": Path("base")},
    ],
)
def test_options_that_say_nothing_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        KenPass(**options)  # type: ignore[arg-type]


def test_numbers_that_are_not_finite_are_refused_by_name(llama: Case, context: Context) -> None:
    weight = llama.program.tensor(DOWN).detach().clone()
    weight[0, 0] = float("nan")
    with pytest.raises(PassError, match=f"{DOWN} holds numbers that are not finite"):
        kept(llama.with_tensors(**{DOWN.replace(".", "__"): weight}), context)


def test_random_choices_depend_on_the_seed_and_differ_between_matrices(llama: Case, context: Context) -> None:
    first, again = (kept(llama, context, mode="random") for _ in range(2))
    gate, up = (f"model.layers.1.mlp.{part}_proj.weight" for part in ("gate", "up"))
    assert (first.kept[gate] == again.kept[gate]).all()
    assert (first.kept[gate] != first.kept[up]).any()


def test_the_program_stays_as_it_is(llama: Case, context: Context) -> None:
    before = llama.program.fingerprint()
    for mode in ("faithful", "magnitude", "random"):
        kept(llama, context, mode=mode)
    assert llama.program.fingerprint() == before
