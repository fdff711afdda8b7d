"""One rival, one case, one amount, one file: a process of its own, which prints what that took.

    PYTHONPATH=.cache/rivals python -m tools.bench.rivals_make int8 minilm-l6 .cache/models 1.0 files

Dense files that a rival starts from are written into the same folder once, and are no part of its seconds. What prunes
a transformers model is written by prunec's own exporter, so that files differ in what was removed and in nothing else.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import onnx
import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel

import prunec
from prunec.backends.onnx import OnnxBackend
from prunec.calibration.batching import FED
from prunec.calibration.inputs import MOST
from prunec.calibration.reading import read_batches
from prunec.calibration.sources import read_texts
from prunec.calibration.textsource import Text
from prunec.drivers.given import Given
from prunec.errors import PrunecError
from prunec.files import atomic_path
from prunec.frontends.huggingface import load
from prunec.frontends.module import trace
from prunec.ir.program import Input
from prunec.pipeline.memory import PeakMemory
from tools.bench.emission_rivals import EXPORTERS, example, is_causal, pretrained, reads_images
from tools.bench.rivals_cases import CASES, Case, dense_file, file_of
from tools.bench.rivals_onnx import EDITORS
from tools.bench.rivals_torch import PRUNERS
from tools.bench.subjects import SUBJECTS
from tools.bench.unseen import SEQUENCE

TOKENS = 16_384
"""Of the calibration text, as many as a compile scores on."""
BATCH = 4
OURS = {"prunec": "fp32", "prunec-int8": "int8", "prunec-int4": "int4"}
"""The types of prunec's own files."""


def calibration(model: Path, text: Path) -> list[dict[str, Tensor]]:
    """`text`, or a folder of images, as the inputs of `model`, which the config tells from other kinds."""
    if reads_images(model):
        return [dict(batch) for batch in Given.of({"": text}, 0).inputs(load(model), None, MOST)]
    batches = read_batches(
        Text(read_texts(text), text.stem),
        AutoTokenizer.from_pretrained(model),
        [Input(name, torch.long, {}, {}) for name in FED[:2]],
        labels=(),
        packs=is_causal(model),
        sequence=SEQUENCE,
        batch=BATCH,
        tokens=TOKENS,
        seed=0,
    )
    return [dict(batch) for batch in batches]


def start(name: str, case: str, model: Path, folder: Path) -> Path | None:
    """The file that the rival changes, written if it is not there; None where it starts from the model."""
    if name not in EDITORS:
        return None
    exporter = EDITORS[name][0]
    path = dense_file(folder, case, exporter)
    if not path.exists():
        with atomic_path(path) as staged:
            EXPORTERS[CASES[case].graph][exporter](model, staged)
    return path


def make(name: str, case: Case, models: Path, amount: float, begun: Path | None, out: Path) -> None:
    """Write `out`."""
    model, text = models / case.model, models / SUBJECTS[case.model].calibration
    if begun is not None:
        feeds = [{key: value.numpy() for key, value in batch.items()} for batch in calibration(model, text)]
        onnx.save(EDITORS[name][1](begun, feeds, amount), out)
    elif name in PRUNERS:
        emit(PRUNERS[name](pretrained(model), calibration(model, text), amount), model, out)
    else:
        work, dtype = case.workload, OURS[name]
        result = prunec.compile(model, out, speedup=amount, calibration=text, workload=work, dtype=dtype)
        if not result.report.budget.held:
            raise PrunecError(f"missed: {result.report.budget.achieved:.4g} of {result.report.budget.target:.4g} ms")


def emit(module: PreTrainedModel, model: Path, out: Path) -> None:
    """Write what is left of the transformers model in a folder by our exporter."""
    task = "text-generation" if is_causal(model) else "feature-extraction"
    OnnxBackend().emit(trace(module, example(model), task).program, out)


def main(name: str, case: str, models: str, amount: str, folder: str) -> None:
    """Make the file, and print seconds, processor seconds and peak memory as JSON."""
    source, files = Path(models), Path(folder)
    begun = start(name, case, source / CASES[case].model, files)
    out = file_of(files, case, name, float(amount))
    started, used = time.perf_counter(), time.process_time()
    with PeakMemory() as memory, atomic_path(out) as staged:
        make(name, CASES[case], source, float(amount), begun, staged)
    found = {"seconds": time.perf_counter() - started, "processor_seconds": time.process_time() - used}
    print(json.dumps(found | {"peak_bytes": memory.peak_bytes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
