"""What a long search has chosen so far, in a file: another round goes on from it, and so does a run after a cut."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

import prunec
from prunec.calibration.checkpoint import save_tensors
from prunec.errors import InputError
from prunec.facts import Step
from prunec.files import atomic_path, remove_stale
from prunec.passbase import Context

FOLDER = "searches"
CLOSE = 0.25
"""What measured shares may differ by, of the larger, from one run to the next: as much as the noise in a table."""
_FORMAT = "prunec search 1"


class Journal:
    """The steps of one search, and the weights that it re-fitted: a safetensors file, the steps as its metadata.

    A file that cannot be read or written is no reason to fail: what it would say is measured again. Files of other
    searches that nobody read or wrote for a week are removed.

    Args:
        context: whose cache folder keeps the file.
        key: all that the steps depend on, as plain JSON data; prunec's version is added.
        shares: what they depend on besides, by name, where that is measured and comes out a little different each
            time. Steps are gone on with where none is further than `CLOSE` from when the first was taken; else the
            file begins anew.

    Attributes:
        steps: those taken so far.
        weights: by tensor name, as they are after the last step.
    """

    def __init__(self, context: Context, key: Mapping[str, object], shares: Mapping[str, float] | None = None) -> None:
        text = json.dumps({**key, "prunec": prunec.__version__}, sort_keys=True)
        self.path: Path = context.cache / FOLDER / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.safetensors"
        self.progress = context.progress
        self.shares = dict(shares or {})
        self.steps: tuple[Step, ...] = ()
        self.weights: dict[str, Tensor] = {}
        if self.path.exists():
            self._read()

    def write(self, steps: Sequence[Step], weights: Mapping[str, Tensor] | None = None) -> None:
        """Keep `steps`, all of them, and `weights`."""
        self.steps, self.weights = tuple(steps), dict(weights or {})
        plain = json.dumps([[step.sublayers, step.measured] for step in self.steps])
        metadata = {"format": _FORMAT, "steps": plain, "shares": json.dumps(self.shares)}
        tensors = {name: tensor.detach().contiguous() for name, tensor in self.weights.items()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            remove_stale(self.path)
            with atomic_path(self.path) as staged:
                save_tensors(tensors, staged, metadata)
        except (InputError, OSError) as error:
            self.progress.warn(f"the search's steps could not be kept: {error}")

    def _read(self) -> None:
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 it is no mapping
            steps = tuple(Step(tuple(names), float(measured)) for names, measured in json.loads(metadata["steps"]))
            shares = dict(json.loads(metadata.get("shares", "{}")))
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            self.progress.note(f"{self.path} is damaged ({type(error).__name__}): the search begins anew")
            return
        if not _close(shares, self.shares):
            self.progress.note("parts of the program cost other shares of it than before: the search begins anew")
            return
        self.steps, self.weights, self.shares = steps, weights, shares
        with suppress(OSError):
            self.path.touch()


def _close(shares: Mapping[str, float], others: Mapping[str, float]) -> bool:
    return shares.keys() == others.keys() and all(
        math.isclose(share, others[name], rel_tol=CLOSE) for name, share in shares.items()
    )
