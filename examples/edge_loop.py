"""A bare ONNX Runtime loop for a small device, as one would write it against the C API: memory is taken once.

    python examples/edge_loop.py slim/ --length 64 < lines.txt

Inputs and outputs are bound to buffers of one size before the first line is read; each line is written over the last.
Prints the largest output's place for each line, and at the end the median time of a run.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


class Loop:
    """A session whose every run reads and writes the same buffers, for texts of at most `length` tokens."""

    def __init__(self, folder: Path, length: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(length)
        self.tokenizer.enable_padding(length=length)
        self.session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.binding = self.session.io_binding()
        self.inputs = {}
        for item in self.session.get_inputs():
            self.inputs[item.name] = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((1, length), np.int64))
            self.binding.bind_ortvalue_input(item.name, self.inputs[item.name])
        # One run tells the output's shape, which no later run changes.
        self.binding.bind_output(self.session.get_outputs()[0].name)
        self.session.run_with_iobinding(self.binding)
        shape = self.binding.get_outputs()[0].shape()
        self.output = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, np.float32)
        self.binding.bind_ortvalue_output(self.session.get_outputs()[0].name, self.output)

    def __call__(self, text: str) -> np.ndarray:
        """The first output for `text`: logits or features. The next call writes over it."""
        encoded = self.tokenizer.encode(text)
        values = {
            "input_ids": encoded.ids,
            "attention_mask": encoded.attention_mask,
            "token_type_ids": encoded.type_ids,
        }
        for name, buffer in self.inputs.items():
            buffer.update_inplace(np.array([values[name]], np.int64))
        self.session.run_with_iobinding(self.binding)
        return np.asarray(self.output.numpy())


def run(folder: Path, length: int, lines: Iterable[str]) -> Iterator[str]:
    """What is printed: a line each, and the time."""
    loop, taken = Loop(folder, length), []
    for line in lines:
        started = time.perf_counter()
        found = loop(line.strip())
        taken.append((time.perf_counter() - started) * 1e3)
        yield str(int(found[0].argmax()))
    yield f"{len(taken)} lines, median {statistics.median(taken):.2f} ms" if taken else "no lines"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--length", type=int, default=64)
    given = parser.parse_args()
    for printed in run(given.folder, given.length, sys.stdin):
        print(printed)
