"""Checkpoints: where a distillation is, on disk, so that an interrupted one goes on from there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from prunec.calibration.checkpoint import save_tensors
from prunec.errors import InputError
from prunec.files import atomic_path, remove_stale
from prunec.passbase import Progress

EVERY = 120.0
"""Seconds of training between two checkpoints: one may take several seconds to write."""


@dataclass
class Standing:
    """Where training is.

    Attributes:
        step, tokens, seconds: done so far; measuring counts as time.
        measured: how many of the planned measurements are done.
        start, best: damage on held-out text of the slim program and of the best weights, in the precision of training.
        best_step: the step after which the best weights were.
        halves: whether products take bfloat16.
        rate: the highest rate; 0 stands for the one that is asked for.
    """

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    measured: int = 0
    start: float = float("inf")
    best: float = float("inf")
    best_step: int = 0
    halves: bool = False
    rate: float = 0.0


@dataclass(frozen=True)
class Checkpoints:
    """The one checkpoint of one distillation: a safetensors file that has the standing in its header.

    It holds the weights, the best weights and both moments of the optimiser, so that what goes on from it is
    what would have been.

    Attributes:
        path: where it is; its folder is made when it is first written.
        progress: told of what cannot be read or written, which is no reason to fail.
    """

    path: Path
    progress: Progress

    def read(self) -> tuple[Standing, dict[str, Tensor]] | None:
        """The standing and the tensors of the last `write`, or None."""
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, "pt") as file:
                standing = Standing(**json.loads(file.metadata()["standing"]))
                return standing, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            self.progress.note(f"{self.path} is damaged ({type(error).__name__}): distillation starts anew")
            return None

    def write(self, standing: Standing, tensors: Mapping[str, Tensor]) -> bool:
        """Keep all of it, or say why that is not possible and give False."""
        held = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            remove_stale(self.path)
            with atomic_path(self.path, sum(tensor.nbytes for tensor in held.values())) as path:
                save_tensors(held, path, {"standing": json.dumps(asdict(standing))})
        except (InputError, OSError) as error:
            self.progress.warn(f"distillation cannot be gone on with if it is interrupted: {error}")
            return False
        return True

    def remove(self) -> None:
        """Forget it, if it was ever written: the distillation is over."""
        if self.path.exists():
            self.path.unlink()
