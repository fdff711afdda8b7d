"""What is deployed with an artifact: tokenizer, settings, and the config with what is true no more said in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import prunec
from prunec.destination import CONFIG, GENAI, STEM, copy_data
from prunec.files import explained
from prunec.frontends.pruned import OWN
from prunec.ir.program import Program
from prunec.report.data import Layer, Report
from prunec.report.genai import genai_settings

SIZES = "the other entries are those of the dense model; the sizes of layers are listed here"
LEFT = "the other entries are those of the slim model; what went of the dense one's layers is listed here"
SAME = "nothing was removed; the other entries are true"


def complete(folder: Path, report: Report, program: Program, config: Mapping[str, Any] | None = None) -> None:
    """Put into `folder`, beside the artifact, a config and the data files of the model's own folder.

    A model that was given as a module has no folder, and a config only where its class has one. A checkpoint brings all
    of it; its config is told what is left. What onnxruntime-genai needs to run a graph with a cache goes along.

    Args:
        folder: holds the artifact, or a checkpoint.
        report: what is told.
        program: what is left.
        config: of a model of just these sizes, where one can say them; else the dense model's is taken.

    Raises:
        InputError: a file cannot be copied or written, as where the disk is full.
    """
    own, true = folder / CONFIG, config is not None
    try:
        if report.checkpoint is not None:
            config, true = json.loads(own.read_text(encoding="utf-8")), report.checkpoint.stock
        entries = dict(program.provenance.config if config is None else config)
        if entries:
            text = json.dumps(slim_config(entries, report, true=true), indent=2, ensure_ascii=False)
            own.write_text(f"{text}\n", encoding="utf-8")
        if report.checkpoint is None:
            copy_data(Path(program.provenance.source), folder)
        settings = genai_settings(entries, program, f"{STEM}.onnx") if (folder / f"{STEM}.onnx").is_file() else None
        if settings is not None:
            (folder / GENAI).write_text(f"{json.dumps(settings, indent=2)}\n", encoding="utf-8")
    except OSError as error:
        raise explained(error, folder) from error


def slim_config(config: Mapping[str, Any], report: Report, *, true: bool) -> dict[str, Any]:
    """`config` without its code, and with an entry that says what is left of each layer.

    Which entry of a config is the size of what differs from model to model, so none is changed here: `true` says
    whether they are those of what is left.
    """
    entry = {
        "version": prunec.__version__,
        "task": report.model.task,
        "parameters": report.model.parameters_slim,
        "sizes": SAME if report.unpruned else LEFT if true else SIZES,
        "layers": [_left(layer) for layer in report.layers if layer.slim_units < layer.dense_units or layer.dropped],
        "removed_sublayers": list(report.bypassed),
    }
    return {name: value for name, value in config.items() if name != "auto_map"} | {OWN: entry}


def _left(layer: Layer) -> dict[str, object]:
    return {
        "name": layer.family or layer.sublayer,
        "unit": layer.unit,
        "of": layer.dense_units,
        "left": layer.slim_units,
    }
