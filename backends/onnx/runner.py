"""An ONNX file in ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from prunec.cost.artifact import check_file, check_version
from prunec.cost.request import Feed
from prunec.cost.timer import Arrays
from prunec.cost.workload import Workload
from prunec.errors import VerificationError

from .providers import opened

ERRORS_ONLY = 3


@dataclass(frozen=True)
class OnnxRunner:
    """A loaded ONNX file."""

    session: ort.InferenceSession
    feeds: tuple[Feed, ...]
    outputs: tuple[str, ...]

    @staticmethod
    def open(path: Path, workload: Workload, device: str = "cpu") -> OnnxRunner:
        """Load `path` for the workload's number of threads, on `device`.

        Raises:
            InputError: there is no such file, or ONNX Runtime does not take it, or not on this device.
        """
        check_file(path, "an ONNX file")
        options = ort.SessionOptions()
        options.intra_op_num_threads = workload.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        # Idle threads of one session would spin on the cores that the next one is timed on: seen to
        # double the latency of four sessions timed by turns. Alone, a session is about 8 % slower for it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = opened(str(path), options, device, str(path))
        if version := session.get_modelmeta().custom_metadata_map.get("prunec.version"):
            check_version(path, version)
        feeds = tuple(Feed(item.name, _dtype(item.type), _shape(item.shape)) for item in session.get_inputs())
        return OnnxRunner(session, feeds, tuple(item.name for item in session.get_outputs()))

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Run once on the inputs that the file has; more may be given."""
        names = [feed.name for feed in self.feeds]
        missing = [name for name in names if name not in inputs]
        if missing:
            raise VerificationError(f"the artifact also takes {', '.join(missing)}", "give every input")
        values = self.session.run(None, {name: inputs[name] for name in names})
        return dict(zip(self.outputs, values, strict=True))


def _dtype(spelled: str) -> np.dtype:
    """The element type that ONNX Runtime spells `tensor(float)`."""
    name = spelled.removeprefix("tensor(").removesuffix(")")
    return np.dtype({"float": "float32", "double": "float64", "string": "object"}.get(name, name))


def _shape(axes: list[int | str | None]) -> tuple[int | str, ...]:
    return tuple("" if axis is None else axis for axis in axes)
