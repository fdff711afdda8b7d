"""The driver's question about a fine-tuned model: what of it must stay? The answer is a file beside the base."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

import prunec
from prunec.calibration.checkpoint import Checkpoint
from prunec.calibration.kendelta import derive
from prunec.calibration.kenfile import SUFFIX, load_delta, save_delta
from prunec.calibration.rowrule import Mode, RowRule
from prunec.calibration.rowselection import KEPT
from prunec.destination import CONFIG, COPIED, WEIGHTS
from prunec.errors import InputError
from prunec.files import check_folder, checked_file, explained, publish_folder
from prunec.frontends.directory import read_directory
from prunec.passbase import Progress, Silent
from prunec.report.ken import KenReport

Folder = str | os.PathLike[str]


def ken(
    tuned: Folder,
    base: Folder,
    output: Folder,
    *,
    mode: Mode = "faithful",
    keep: float = KEPT,
    rows: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    force: bool = False,
) -> KenReport:
    """Write what stays of a fine-tuning, entry by entry of every matrix's rows; the rest goes back to the base.

    Weights are read from safetensors; no model is built and nothing in the folders is run.

    Args:
        tuned: the folder of the fine-tuned model. Tensors that it alone has are kept whole.
        base: the folder of the model that it was tuned from.
        output: the file to write, ending in `.safetensors`.
        mode: how entries are chosen: `faithful` as published, by their change (`delta`), by size, or at random.
        keep: the share of each row that stays.
        rows: entries that stay of each row, in the place of `keep`.
        seed: for `random`.
        progress: where to report; silent by default.
        force: whether an existing file may be replaced.

    Raises:
        InputError: a folder or option cannot be used, or a tensor differs in shape or type between the two.
    """
    started = time.perf_counter()
    path = checked_file(output, SUFFIX, "what stays is", force)
    assert path is not None
    rule = RowRule(mode, keep, rows)
    after, before = _tensors(Path(tuned)), _tensors(Path(base))
    files = {name: Path(tuned, name).read_bytes() for name in (CONFIG, *COPIED) if Path(tuned, name).is_file()}
    delta, stayed = derive(after, before, rule, Path(base), files, seed, progress or Silent())
    save_delta(delta, path)
    return KenReport(
        prunec=prunec.__version__,
        artifact=str(path),
        tuned=str(tuned),
        base=str(base),
        base_hash=delta.base,
        mode=mode,
        keep=keep if rows is None else None,
        rows=rows,
        entries=sum(patch.size for patch in delta.patches.values()),
        stayed=stayed,
        stored=sum(len(patch.positions) for patch in delta.patches.values()),
        whole=tuple(sorted(delta.whole)),
        whole_entries=sum(tensor.numel() for tensor in delta.whole.values()),
        artifact_bytes=path.stat().st_size,
        model_bytes=sum(file.stat().st_size for file in set(after.places.values())),
        seconds=time.perf_counter() - started,
    )


def apply_ken(path: Folder, base: Folder, output: Folder, *, force: bool = False) -> Path:
    """Write the folder of the model whose delta is at `path`: kept values as tuned, all others the base's, bit by bit.

    All tensors are in memory once. Config and tokenizer are the tuned model's.

    Args:
        path: the file that `ken` wrote.
        base: the folder of the model that it was tuned from.
        output: the folder to write, whole or not at all.
        force: whether an earlier folder of a model may be replaced; never that of the base.

    Raises:
        InputError: the file or a folder cannot be used, or the base is another one.
    """
    folder = Path(output)
    if folder.resolve() == Path(base).resolve():
        raise InputError(f"the output {folder} is the base itself", "choose another --output")
    check_folder(folder, force, mark=CONFIG, known=lambda name: name in (WEIGHTS, *COPIED))
    delta = load_delta(Path(path))
    _write_model(folder, delta.restored(_tensors(Path(base)), str(base)), delta.files)
    return folder


def _tensors(folder: Path) -> Checkpoint:
    """The tensors of a model's folder, after all checks of it."""
    listed = read_directory(folder).tensors
    found = Checkpoint.of(folder)
    return Checkpoint(folder, {name: path for name, path in found.places.items() if name in listed})


def _write_model(folder: Path, tensors: Mapping[str, Tensor], files: Mapping[str, bytes]) -> None:
    try:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.absolute().parent) as scratch:
            staged = Path(scratch) / "new"
            staged.mkdir()
            save_file(dict(tensors), staged / WEIGHTS, {"format": "pt"})
            for name, content in files.items():
                (staged / name).write_bytes(content)
            publish_folder(staged, folder)
    except OSError as error:
        raise explained(error, folder) from error
