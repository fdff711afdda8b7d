"""A pruned checkpoint as a module in memory: to run, to fine-tune and to save again. No code of any model is needed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from transformers.utils.generic import ModelOutput

from prunec.calibration.checkpoint import Checkpoint, save_tensors
from prunec.destination import CONFIG, COPIED, REMOVED, WEIGHTS
from prunec.errors import InputError
from prunec.files import check_folder, explained, publish_folder
from prunec.frontends.directory import read_config
from prunec.frontends.huggingface import load as load_folder
from prunec.frontends.pruned import read_pruned
from prunec.ir.past import MASK
from prunec.ir.program import Program, build_module

TYPES = "token_type_ids"
_FILES = (CONFIG, REMOVED, *COPIED)


def load(folder: str | os.PathLike[str]) -> SlimModel:
    """The model in a folder that `--emit hf` wrote, whether or not transformers could load it. Nothing is unpickled.

    Args:
        folder: with config.json, prunec.json and model.safetensors.

    Returns:
        A module in float32 whose parameters are trainable, and go by the names that they have in the file.

    Raises:
        InputError: there is no such folder, it is no pruned checkpoint, a newer prunec wrote it, or its files do not
            fit each other.
    """
    path = Path(folder)
    if read_pruned(path, read_config(path)) is None:
        raise InputError(
            f"{path} holds no {REMOVED}, so it is no pruned checkpoint",
            "name a folder that --emit hf wrote; transformers loads an ordinary one",
        )
    model = SlimModel(load_folder(path).program, path)
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    return model


class SlimModel(nn.Module):
    """What is left of a model, as the graph that was traced.

    It takes the tensors that the model takes, by keyword, and gives those of its outputs that its task is about.
    Dropout was traced away, so training goes without. It can be moved to another device and copied deeply.

    Attributes:
        inputs: names of what it takes. An attention mask that is not given is of ones, token types are zero.
        outputs: names of what it gives.
        folder: where it was loaded from.
    """

    def __init__(self, program: Program, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.inputs = tuple(item.name for item in program.inputs)
        self.outputs = program.outputs
        core = program.module
        stored = set(Checkpoint.of(folder))
        for name, buffer in list(core.named_buffers()):
            if name not in stored and buffer is not None:
                owner, _, last = name.rpartition(".")
                core.get_submodule(owner)._non_persistent_buffers_set.add(last)
        # One registry for both: parameters go by their own names, and what moves here moves there.
        self.__dict__["_core"], self.__dict__["_program"] = core, program
        for registry in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
            self.__dict__[registry] = core.__dict__[registry]

    def forward(self, **inputs: Any) -> ModelOutput:
        """The outputs by name.

        Raises:
            TypeError: an input is missing, or there is none of this name.
        """
        given = {name: value for name, value in inputs.items() if value is not None}
        unknown = sorted(given.keys() - set(self.inputs))
        if unknown:
            raise TypeError(f"forward takes {', '.join(self.inputs)}, and not {', '.join(unknown)}")
        tokens = given.get("input_ids")
        if tokens is not None and MASK in self.inputs:
            given.setdefault(MASK, torch.ones_like(tokens))
        if tokens is not None and TYPES in self.inputs:
            given.setdefault(TYPES, torch.zeros_like(tokens))
        missing = [name for name in self.inputs if name not in given]
        if missing:
            raise TypeError(f"forward also takes {', '.join(missing)}")
        found = ModelOutput()
        for name, value in zip(self.outputs, self.__dict__["_core"](*map(given.get, self.inputs)), strict=True):
            found[name] = value
        return found

    def save(self, folder: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the weights as they are now, with the other files of the checkpoint, as a folder like it.

        Args:
            folder: to be written, whole or not at all; not the one that this was loaded from.
            force: whether an earlier one may be replaced.

        Raises:
            InputError: it cannot be written.
        """
        path = Path(folder)
        if path.resolve() == self.folder.resolve():
            raise InputError(f"{path} is what the model was loaded from", "name another folder")
        check_folder(path, force, mark=REMOVED, known=lambda name: name in (WEIGHTS, *_FILES))
        own = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        tensors: dict[str, Tensor] = {**Checkpoint.of(self.folder), **own}
        try:
            with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.absolute().parent) as scratch:
                staged = Path(scratch) / "new"
                staged.mkdir()
                save_tensors(tensors, staged / WEIGHTS)
                for name in _FILES:
                    if (self.folder / name).is_file():
                        shutil.copyfile(self.folder / name, staged / name)
                publish_folder(staged, path)
        except OSError as error:
            raise explained(error, path) from error

    def __deepcopy__(self, memo: dict[int, Any]) -> SlimModel:
        program: Program = self.__dict__["_program"]
        core: fx.GraphModule = self.__dict__["_core"]
        tensors = {name: deepcopy(tensor, memo) for name, tensor in program.tensors().items()}
        return SlimModel(program.with_module(build_module(core.graph, tensors)), self.folder).train(self.training)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> SlimModel:
        """As every module does; the devices written into the graph's calls follow the parameters."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        core: fx.GraphModule = self.__dict__["_core"]
        place = next((parameter.device for parameter in self.parameters()), None)
        for node in core.graph.nodes if place is not None else ():
            node.args, node.kwargs = fx.node.map_aggregate(
                (node.args, node.kwargs), lambda value: place if isinstance(value, torch.device) else value
            )
        core.recompile()
        return self
