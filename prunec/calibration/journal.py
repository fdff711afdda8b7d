"""What a long search has chosen so far, in a file: another round goes on from it, and so does a run after a cut."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

import prunec
from prunec.calibration.checkpoint import save_tensors
from prunec.errors import InputError
from prunec.facts import Step
from prunec.files import atomic_path
from prunec.passbase import Context

FOLDER = "searches"
_FORMAT = "prunec search 1"


class Journal:
    """The steps of one search, and the weights that it re-fitted: a safetensors file, the steps as its metadata.

    A file that cannot be read or written is no reason to fail: what it would say is measured again.

    Args:
        context: whose cache folder keeps the file.
        key: all that the steps depend on, as plain JSON data; prunec's version is added.

    Attributes:
        steps: those taken so far.
        weights: by tensor name, as they are after the last step.
    """

    def __init__(self, context: Context, key: Mapping[str, object]) -> None:
        text = json.dumps({**key, "prunec": prunec.__version__}, sort_keys=True)
        self.path: Path = context.cache / FOLDER / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.safetensors"
        self.progress = context.progress
        self.steps: tuple[Step, ...] = ()
        self.weights: dict[str, Tensor] = {}
        if self.path.exists():
            self._read()

    def write(self, steps: Sequence[Step], weights: Mapping[str, Tensor] | None = None) -> None:
        """Keep `steps`, all of them, and `weights`."""
        self.steps, self.weights = tuple(steps), dict(weights or {})
        plain = json.dumps([[step.sublayers, step.measured] for step in self.steps])
        tensors = {name: tensor.detach().contiguous() for name, tensor in self.weights.items()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(self.path) as staged:
                save_tensors(tensors, staged, {"format": _FORMAT, "steps": plain})
        except (InputError, OSError) as error:
            self.progress.warn(f"the search's steps could not be kept: {error}")

    def _read(self) -> None:
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 it is no mapping
            steps = tuple(Step(tuple(names), float(measured)) for names, measured in json.loads(metadata["steps"]))
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            self.progress.note(f"{self.path} is damaged ({type(error).__name__}): the search begins anew")
            return
        self.steps, self.weights = steps, weights
