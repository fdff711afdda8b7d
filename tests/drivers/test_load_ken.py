"""Deltas go in and out of a module in memory, and only their own entries are written."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import prunec
from prunec.drivers import swapper
from prunec.errors import InputError


class Net(nn.Module):
    """Two matrices, one of them used twice, with a norm and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(40, 24)
        self.up = nn.Linear(24, 32)
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, 3)
        self.again = self.embed

    def forward(self, tokens: Tensor) -> Tensor:
        found: Tensor = self.head(self.norm(self.up(self.embed(tokens))))
        return found


def save(module: nn.Module, folder: Path, *, head: bool) -> Path:
    """The module as a model's folder."""
    folder.mkdir()
    tensors = {name: value for name, value in module.state_dict().items() if not name.startswith("again")}
    tensors = {name: value for name, value in tensors.items() if head or not name.startswith("head")}
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text('{"model_type": "net"}')
    return folder


def tuned(module: Net, folder: Path, seed: int) -> Path:
    """A fine-tuning of the module with a head of its own, as a folder."""
    draw = torch.Generator().manual_seed(seed)
    task = Net()
    task.load_state_dict(
        {name: value + 0.1 * torch.randn(value.shape, generator=draw) for name, value in module.state_dict().items()}
    )
    return save(task, folder, head=True)


@pytest.fixture
def module() -> Net:
    """The base in memory, with a head that nobody trained."""
    return Net()


@pytest.fixture
def deltas(module: Net, tmp_path: Path) -> dict[str, Path]:
    """Two tasks on the base, half of each row kept."""
    base = save(module, tmp_path / "base", head=False)
    paths: dict[str, Path] = {}
    for seed, name in enumerate(("news", "spam")):
        paths[name] = tmp_path / f"{name}.ken.safetensors"
        prunec.ken(tuned(module, tmp_path / name, seed), base, paths[name])
        prunec.apply_ken(paths[name], base, tmp_path / f"{name}-restored")
    return paths


def copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def assert_holds(module: nn.Module, wanted: Mapping[str, Tensor]) -> None:
    held = module.state_dict()
    assert all(held[name].equal(tensor) for name, tensor in wanted.items())


def folder_of(path: Path) -> dict[str, Tensor]:
    """What the folder restored from the delta holds."""
    return load_file(path.parent / f"{path.name.split('.')[0]}-restored" / "model.safetensors")


def test_a_module_holds_what_a_restored_folder_does_and_then_the_base(module: Net, deltas: dict[str, Path]) -> None:
    before = copy(module)
    prunec.load_ken(module, deltas["news"])
    assert_holds(module, folder_of(deltas["news"]))
    assert module.again.weight is module.embed.weight
    prunec.unload_ken(module)
    assert_holds(module, before)
    prunec.unload_ken(module)
    assert_holds(module, before)


def test_a_block_ends_with_the_base_whatever_happens(module: Net, deltas: dict[str, Path]) -> None:
    before, tokens = copy(module), torch.arange(5)
    said = module(tokens)
    with pytest.raises(KeyError), prunec.load_ken(module, deltas["news"]):  # noqa: PT012 the block is what is tested
        assert not module(tokens).equal(said)
        raise KeyError
    assert_holds(module, before)
    assert module(tokens).equal(said)


def test_deltas_take_turns(module: Net, deltas: dict[str, Path]) -> None:
    before = copy(module)
    news, spam = (prunec.load_ken(module, path) for path in deltas.values())
    for _ in range(2):
        assert_holds(module, folder_of(deltas["spam"]))
        news.load()
        assert_holds(module, folder_of(deltas["news"]))
        spam.unload()
        assert_holds(module, folder_of(deltas["news"]))
        spam.load()
    spam.unload()
    assert_holds(module, before)


def test_only_the_entries_of_a_delta_are_written(module: Net, deltas: dict[str, Path]) -> None:
    loaded = prunec.load_ken(module, deltas["news"])
    loaded.unload()
    touched = folder_of(deltas["news"])["up.weight"] != module.up.weight
    with torch.no_grad():
        module.up.weight.fill_(7.0)
    loaded.load()
    assert (module.up.weight != 7.0).equal(touched)
    assert touched.sum() == touched.numel() // 2


def test_another_base_is_refused_and_what_was_in_stays(module: Net, deltas: dict[str, Path], tmp_path: Path) -> None:
    other = Net()
    before = copy(other)
    with pytest.raises(InputError, match=r"the module is not the base of this delta: its hash is \w{12}, not \w{12}"):
        prunec.load_ken(other, deltas["news"])
    assert_holds(other, before)
    prunec.load_ken(module, deltas["news"])
    prunec.ken(tuned(other, tmp_path / "other", 5), save(other, tmp_path / "b", head=False), tmp_path / "o.safetensors")
    with pytest.raises(InputError, match="is not the base"):
        prunec.load_ken(module, tmp_path / "o.safetensors")
    assert_holds(module, folder_of(deltas["news"]))


def test_a_module_of_another_type_is_refused(module: Net, deltas: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="is not the base"):
        prunec.load_ken(module.bfloat16(), deltas["news"])


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (nn.Identity(), "has no head.bias, which"),
        (nn.Linear(32, 4), r"head.bias of the module is \[4\] of torch.float32"),
    ],
)
def test_a_head_that_is_missing_or_larger_is_named(
    head: nn.Module, message: str, module: Net, deltas: dict[str, Path]
) -> None:
    module.head = head  # type: ignore[assignment]
    before = copy(module)
    with pytest.raises(InputError, match=message):
        prunec.load_ken(module, deltas["news"])
    assert_holds(module, before)


def test_a_module_goes_with_what_is_in_it(deltas: dict[str, Path], module: Net) -> None:
    other = Net()
    other.load_state_dict(module.state_dict())
    loaded = prunec.load_ken(other, deltas["news"])
    seen = weakref.ref(other)
    del other
    gc.collect()
    assert seen() is None
    loaded.load()
    loaded.unload()
    assert not any(item is loaded for item in swapper._LOADED.values())


def test_a_module_that_has_moved_gets_the_base_back(module: Net, deltas: dict[str, Path]) -> None:
    before = copy(module)
    prunec.load_ken(module, deltas["news"])
    for parameter in module.parameters():
        parameter.data = parameter.data.clone()
    prunec.unload_ken(module)
    assert_holds(module, before)


def test_swapping_reads_no_file_again(module: Net, deltas: dict[str, Path]) -> None:
    loaded = prunec.load_ken(module, deltas["news"])
    wanted = folder_of(deltas["news"])
    loaded.unload()
    deltas["news"].unlink()
    loaded.load()
    assert_holds(module, wanted)
