"""What is deployed with an artifact: tokenizer, settings, and the config with what is true no more said in it."""

from __future__ import annotations

import json
from pathlib import Path

import prunec
from prunec.destination import CONFIG, copy_data
from prunec.files import explained
from prunec.frontends.pruned import OWN
from prunec.ir.program import Program
from prunec.report.data import Layer, Report

SIZES = "the other entries are those of the dense model; the sizes of layers are listed here"
LEFT = "the other entries are those of the slim model; what went of the dense one's layers is listed here"
SAME = "nothing was removed; the other entries are true"


def complete(folder: Path, report: Report, program: Program) -> None:
    """Put into `folder`, beside the artifact, a config and the data files of the model's own folder.

    A model that was given as a module has no folder, and a config only where its class has one. A checkpoint brings all
    of it; its config is told what is left.

    Raises:
        InputError: a file cannot be copied or written, as where the disk is full.
    """
    own = folder / CONFIG
    try:
        config = json.loads(own.read_text(encoding="utf-8")) if own.is_file() else dict(program.provenance.config)
        if config:
            text = json.dumps(slim_config(config, report), indent=2, ensure_ascii=False)
            own.write_text(f"{text}\n", encoding="utf-8")
        if report.checkpoint is None:
            copy_data(Path(program.provenance.source), folder)
    except OSError as error:
        raise explained(error, folder) from error


def slim_config(config: dict[str, object], report: Report) -> dict[str, object]:
    """The dense model's `config` without its code, and with an entry that says what is left of each layer.

    Which entry of a config is the size of what differs from model to model, so none is changed.
    """
    entry = {
        "version": prunec.__version__,
        "task": report.model.task,
        "parameters": report.model.parameters_slim,
        "sizes": SAME if report.unpruned else LEFT if report.checkpoint and report.checkpoint.stock else SIZES,
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
