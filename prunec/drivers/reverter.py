"""The driver's question about a fine-tuned model: what of it must stay? The answer is a file beside the base."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

import numpy as np
from torch import Tensor

import prunec
from prunec.calibration.checkpoint import Checkpoint, save_tensors
from prunec.calibration.kendelta import KenDelta, derive
from prunec.calibration.kenfile import SUFFIXES, load_delta, save_delta
from prunec.calibration.rowrule import Mode, RowRule, read_rules
from prunec.calibration.scorefile import SUFFIX, save_scores
from prunec.calibration.unitshares import unit_shares
from prunec.destination import CONFIG, COPIED, WEIGHTS, Destination, report_path
from prunec.drivers.job import Job, Recorder, source_name
from prunec.drivers.request import Request
from prunec.errors import InputError
from prunec.facts import Scores, Structure
from prunec.files import check_folder, check_output, checked_file, explained, publish_folder, write_text
from prunec.frontends.directory import read_directory
from prunec.options import NO_BUDGET, Options
from prunec.passbase import Progress, Silent
from prunec.report.ken import KenReport, KeptUnits
from prunec.report.ken_build import build_matrices
from prunec.report.page.ken import render_ken

Folder = str | os.PathLike[str]


@overload
def ken(
    tuned: Folder,
    base: Folder,
    output: Folder,
    *,
    mode: Mode = "faithful",
    keep: float | None = None,
    rows: int | None = None,
    seed: int = 0,
    physical: Folder | None = None,
    page: bool = False,
    progress: Progress | None = None,
    force: bool = False,
) -> KenReport: ...


@overload
def ken(
    tuned: Folder,
    base: Folder,
    output: Folder,
    *,
    mode: Mode = "faithful",
    keep: float | Sequence[float] | None = None,
    rows: int | Sequence[int] | None = None,
    seed: int = 0,
    physical: Folder | None = None,
    page: bool = False,
    progress: Progress | None = None,
    force: bool = False,
) -> KenReport | tuple[KenReport, ...]: ...


def ken(
    tuned: Folder,
    base: Folder,
    output: Folder,
    *,
    mode: Mode = "faithful",
    keep: float | Sequence[float] | None = None,
    rows: int | Sequence[int] | None = None,
    seed: int = 0,
    physical: Folder | None = None,
    page: bool = False,
    progress: Progress | None = None,
    force: bool = False,
) -> KenReport | tuple[KenReport, ...]:
    """Write what stays of a fine-tuning, entry by entry of every matrix's rows; the rest goes back to the base.

    Weights are read from safetensors; no model is built and nothing in the folders is run. Of several shares, given as
    a list, a report each comes: the output `news.ken` becomes `news-0.25.ken` and so on.

    Args:
        tuned: the folder of the fine-tuned model. Tensors that it alone has are kept whole.
        base: the folder of the model that it was tuned from.
        output: the file to write, safetensors, ending in `.ken` or `.safetensors`.
        mode: how entries are chosen: `faithful` as published, by their change (`delta`), by size, or at random.
        keep: the share of each row that stays; half of it where neither this nor `rows` is given.
        rows: entries that stay of each row, in the place of `keep`.
        seed: for `random`.
        physical: a file to write for `importance=FILE`, ending in `.safetensors`: the share of each unit's weights that
            is not the base's. The tuned model is traced for it. A unit that went back has pretrained values, not
            zeros: what a compile removes of it did the general work.
        page: whether to write `news.ken.report.html`, which shows where entries stay, and the report that it is drawn
            from beside the file; for `news.safetensors`, `news.report.html`.
        progress: where to report; silent by default.
        force: whether an existing file may be replaced.

    Raises:
        InputError: a folder or option cannot be used, or a tensor differs in shape or type between the two.
    """
    asked, shown = read_rules(mode, keep, rows), progress or Silent()
    rules = asked if isinstance(asked, tuple) else (asked,)
    labels = [rule.label for rule in rules] if isinstance(asked, tuple) else [None]
    places = [_place(output, label, SUFFIXES, "what stays is", force, page) for label in labels]
    scores = [None if physical is None else _place(physical, label, SUFFIX, "scores are", force) for label in labels]
    pair = _Pair.read(Path(tuned), Path(base))
    structure = structure_of(pair.after.folder, progress) if physical is not None else None
    found = []
    for rule, place, file in zip(rules, places, scores, strict=True):
        delta, made = pair.written(rule, place.artifact, seed, shown)
        if structure is not None and file is not None:
            made = replace(made, physical=_kept_units(structure, delta, file.artifact, shown))
        if page:
            made = replace(made, matrices=build_matrices(delta, pair.after, pair.before))
            write_text(place.report, made.to_json())
            write_text(place.page, render_ken(made))
        found.append(made)
    return tuple(found) if isinstance(asked, tuple) else found[0]


def _place(
    output: Folder, label: str | None, suffix: str | tuple[str, ...], what: str, force: bool, page: bool = False
) -> Destination:
    """Where the file goes that is one of several if it has a label, and its page, checked."""
    place = Destination(Path(output), report_path(Path(output)))
    place = place if label is None else place.labelled(label)
    if place.artifact.suffix == SUFFIXES[0]:
        # The report that goes by the name before the suffix is that of `news.onnx` beside it.
        place = replace(place, report=place.artifact.with_name(f"{place.artifact.name}.report.json"))
    checked_file(place.artifact, suffix, what, force)
    if page:
        check_output(place.artifact, force, (place.report, place.page))
    return place


def structure_of(tuned: Path, progress: Progress | None) -> Structure:
    """What a compile could remove from the model."""
    request = Request.read(Options(NO_BUDGET, passes="structure"), None, "onnx", None)
    job = Job(source_name(str(tuned)), request, Recorder(progress))
    loaded, _ = job.load(str(tuned), None)
    with tempfile.TemporaryDirectory(prefix="prunec-") as scratch:
        structure = job.run(loaded.program, request.passes, request.facts(loaded), Path(scratch)).facts[Structure]
    if not structure.families:
        raise InputError(f"no units can be removed from {tuned}", "leave out physical; prunec inspect says why")
    return structure


def _kept_units(structure: Structure, delta: KenDelta, path: Path, progress: Progress) -> KeptUnits:
    """Write how much of each unit is not the base's, and sum it up."""
    shares = {family.name: unit_shares(family, delta.kept) for family in structure.families}
    for name in [name for name, values in shares.items() if np.isnan(values).any()]:
        progress.warn(f"the weights of {name} are stored in another form, so that all of it counts as kept")
        shares[name] = np.ones_like(shares[name])
    save_scores(Scores(f"ken of tuning, {delta.rule.mode} {delta.rule.label}", "", shares), path)
    found = np.concatenate(list(shares.values()))
    least, median, most = np.quantile(found, (0, 0.5, 1)).tolist()
    return KeptUnits(str(path), found.size, int((found == 0).sum()), least, median, most)


@dataclass(frozen=True)
class _Pair:
    """A fine-tuned model's tensors and other files, and the tensors of the one that it was tuned from."""

    after: Checkpoint
    before: Checkpoint
    files: Mapping[str, bytes]

    @staticmethod
    def read(tuned: Path, base: Path) -> _Pair:
        """Both folders, checked."""
        files = {name: (tuned / name).read_bytes() for name in (CONFIG, *COPIED) if (tuned / name).is_file()}
        return _Pair(_tensors(tuned), _tensors(base), files)

    def written(self, rule: RowRule, path: Path, seed: int, progress: Progress) -> tuple[KenDelta, KenReport]:
        """Write what stays by `rule` at `path`."""
        started = time.perf_counter()
        delta, stayed = derive(self.after, self.before, rule, self.before.folder, self.files, seed, progress)
        save_delta(delta, path)
        report = KenReport(
            prunec=prunec.__version__,
            artifact=str(path),
            tuned=str(self.after.folder),
            base=str(self.before.folder),
            base_hash=delta.base,
            mode=rule.mode,
            keep=rule.keep,
            rows=rule.rows,
            entries=sum(patch.size for patch in delta.patches.values()),
            stayed=stayed,
            stored=sum(len(patch.positions) for patch in delta.patches.values()),
            whole=tuple(sorted(delta.whole)),
            whole_entries=sum(tensor.numel() for tensor in delta.whole.values()),
            artifact_bytes=path.stat().st_size,
            model_bytes=sum(file.stat().st_size for file in set(self.after.places.values())),
            seconds=time.perf_counter() - started,
        )
        return delta, report


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
            save_tensors(tensors, staged / WEIGHTS)
            for name, content in files.items():
                (staged / name).write_bytes(content)
            publish_folder(staged, folder)
    except OSError as error:
        raise explained(error, folder) from error
