"""A slim program as a checkpoint: loaded again it computes the same, whatever the architecture; and what is refused."""

from __future__ import annotations

import json
import shutil
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, PreTrainedModel

import prunec
from prunec.calibration.checkpoint import Checkpoint
from prunec.errors import InputError
from prunec.facts import Plan, Structure
from prunec.frontends.checkpoint import TOLERANCE, Written, write_checkpoint
from prunec.frontends.directory import read_config
from prunec.frontends.huggingface import load
from prunec.frontends.loaded import Loaded
from prunec.frontends.pruned import read_pruned
from prunec.frontends.skeleton import revived
from prunec.ir.program import Program
from prunec.ir.removed import Removed
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from prunec.passes.rewrite.remove import slim_program
from tests.architectures import ARCHITECTURES


@dataclass(frozen=True)
class Case:
    """A model in a folder, what went from it, and the checkpoint of what is left."""

    loaded: Loaded
    structure: Structure
    slim: Program
    folder: Path
    written: Written


def checkpoint(
    source: Path, folder: Path, goes: dict[str, int], dropped: int | None = None, task: str | None = None
) -> Case:
    """Of every family of a kind in `goes`, as many units go, one more of each second; and sublayer `dropped`."""
    loaded = load(source, task)
    (structure,) = StructurePass().run(loaded.program, Facts(), Context(source, source)).facts
    assert isinstance(structure, Structure)
    counts = {
        family.name: min(goes.get(family.kind, 0) + number % 2, family.spare)
        for number, family in enumerate(structure.families)
    }
    names = () if dropped is None else (structure.sublayers[dropped].name,)
    plan = Plan({name: tuple(range(count)) for name, count in counts.items() if count}, names)
    slim = slim_program(loaded.program, structure, plan)
    folder.mkdir()
    written = write_checkpoint(folder, loaded, slim, plan.cuts(structure), plan.sublayers)
    return Case(loaded, structure, slim, folder, written)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Layers of different sizes, one feed-forward gone."""
    root = tmp_path_factory.mktemp("llama")
    ARCHITECTURES["llama"].model().save_pretrained(root / "dense")
    return checkpoint(root / "dense", root / "slim", {"neuron": 4}, dropped=1)


@pytest.fixture(scope="module")
def module(llama: Case) -> prunec.SlimModel:
    """The checkpoint of the Llama as a module."""
    return prunec.load(llama.folder)


def one_layer(name: str) -> PreTrainedModel:
    """The architecture with one layer, of which a compile could not spare a block."""
    architecture = ARCHITECTURES[name]
    depths = {key: 1 for key in ("num_hidden_layers", "n_layer", "num_layers") if key in architecture.settings}
    return replace(architecture, settings={**architecture.settings, **depths}).model()


@pytest.mark.parametrize("name", ["bert", "gpt2", "t5"])
def test_what_is_loaded_again_is_compared_with_what_was_written(name: str, tmp_path: Path) -> None:
    one_layer(name).save_pretrained(tmp_path / "dense")
    case = checkpoint(tmp_path / "dense", tmp_path / "slim", {"neuron": 5, "head": 1}, dropped=-1)
    assert (case.written.stock, bool(case.written.why)) == (False, True)
    assert case.written.error <= TOLERANCE


def test_the_module_computes_what_the_program_does(llama: Case, module: prunec.SlimModel) -> None:
    inputs = ARCHITECTURES["llama"].example(3, 9)
    with torch.no_grad():
        found, expected = module(**inputs), llama.slim(inputs)
    assert found.keys() == expected.keys()
    torch.testing.assert_close(found.logits, expected["logits"], atol=1e-5, rtol=0)
    sizes = {name: tensor.shape for name, tensor in llama.slim.tensors().items()}
    assert all(tensor.shape == sizes[name] for name, tensor in module.state_dict().items())
    names = {path.name for path in llama.folder.iterdir()}
    assert names == {"config.json", "generation_config.json", "model.safetensors", "prunec.json"}


def test_a_step_of_training_lowers_the_loss_and_is_saved(module: prunec.SlimModel, tmp_path: Path) -> None:
    model, inputs = deepcopy(module), ARCHITECTURES["llama"].example(2, 8)

    def loss() -> torch.Tensor:
        logits = model(**inputs).logits[:, :-1].flatten(0, 1)
        return torch.nn.functional.cross_entropy(logits, inputs["input_ids"][:, 1:].flatten())

    before = loss()
    before.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert loss().item() < before.item()
    model.save(tmp_path / "tuned")
    saved, untouched = load_file(tmp_path / "tuned" / "model.safetensors"), module.state_dict()
    assert saved.keys() == untouched.keys()
    assert all(torch.equal(saved[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(torch.equal(saved[name], untouched[name]) for name in saved)
    assert {path.name for path in (tmp_path / "tuned").iterdir()} == {path.name for path in module.folder.iterdir()}


@pytest.mark.parametrize("dropped", [None, -1])
def test_what_another_task_leaves_unread_goes_along_under_its_names(
    dropped: int | None, tiny_classifier_dir: Path, tmp_path: Path
) -> None:
    case = checkpoint(tiny_classifier_dir, tmp_path / "slim", {"neuron": 4}, dropped, task="feature-extraction")
    assert case.written.stock == (dropped is None)
    assert read_config(case.folder)["architectures"] == ["BertModel"]
    dense, slim = Checkpoint.of(tiny_classifier_dir), Checkpoint.of(case.folder)
    assert torch.equal(slim["pooler.dense.weight"], dense["bert.pooler.dense.weight"])
    assert "classifier.weight" not in slim


def test_equal_layers_are_loaded_by_transformers(tmp_path: Path) -> None:
    one_layer("llama").save_pretrained(tmp_path / "dense")
    case = checkpoint(tmp_path / "dense", tmp_path / "slim", {"neuron": 4, "kv_group": 1})
    assert (case.written.stock, case.written.why) == (True, "")
    model, inputs = AutoModelForCausalLM.from_pretrained(tmp_path / "slim").eval(), ARCHITECTURES["llama"].example(2, 8)
    with torch.no_grad():
        torch.testing.assert_close(model(**inputs).logits, case.slim(inputs)["logits"], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("prunec.json", None, "holds no prunec.json, so it is no pruned checkpoint"),
        ("prunec.json", {"prunec": "99.0"}, "was written by prunec 99.0"),
        ("prunec.json", {"format": "prunec checkpoint 2"}, "was written by a newer prunec"),
        ("prunec.json", {"format": "something"}, "does not describe a pruned checkpoint"),
        ("prunec.json", {"removed": 3}, "is damaged"),
        ("config.json", {"rms_norm_eps": 0.1}, "config.json is not the one that prunec.json was written with"),
    ],
)
def test_files_that_do_not_fit_are_refused_before_anything_is_built(
    file: str, change: dict[str, Any] | None, message: str, llama: Case, tmp_path: Path
) -> None:
    folder = shutil.copytree(llama.folder, tmp_path / "slim")
    if change is None:
        (folder / file).unlink()
    else:
        said = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({**said, **change}))
    with pytest.raises(InputError, match=message):
        prunec.load(folder)


def test_weights_of_another_shape_and_missing_ones_are_refused_by_name(llama: Case) -> None:
    pruned = read_pruned(llama.folder, read_config(llama.folder))
    assert pruned is not None
    dense, stored = llama.loaded.program, Checkpoint.of(llama.folder)
    whole = replace(pruned, removed=Removed(sublayers=pruned.removed.sublayers))
    with pytest.raises(InputError, match=r"gate_proj.weight in .* is \[22, 48\] where prunec.json leaves \[27, 48\]"):
        revived(dense, whole, stored, llama.folder)
    with pytest.raises(InputError, match=r"the weights in .* lack model.embed_tokens.weight"):
        revived(dense, pruned, {}, llama.folder)
    other = replace(pruned, removed=Removed(sublayers=("model.layers.7.mlp",)))
    with pytest.raises(
        InputError, match=r"prunec.json does not fit the model: the model has no sublayer model.layers.7"
    ):
        revived(dense, other, stored, llama.folder)


def test_what_the_model_does_not_take_is_named(module: prunec.SlimModel) -> None:
    with pytest.raises(TypeError, match="forward takes input_ids, attention_mask, and not labels"):
        module(labels=torch.zeros(1, 1))
    with pytest.raises(TypeError, match="forward also takes input_ids"):
        module(attention_mask=torch.ones(1, 3))
