"""The driver's question about one artifact: how good is it on some data, and how good is the dense model there?"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

import prunec
from prunec import catalogue
from prunec.calibration.batching import FED, Batch, Batches
from prunec.calibration.labels import names_in
from prunec.calibration.objective import Objective, objective, with_labels
from prunec.calibration.reading import read_batches
from prunec.calibration.textsource import Text
from prunec.calibration.totals import Totals
from prunec.cost.feeding import IDS, MASK, answers, fixed_sizes
from prunec.cost.numerics import on_device
from prunec.cost.timer import Runner
from prunec.cost.workload import Workload
from prunec.drivers.given import Given
from prunec.errors import InputError
from prunec.frontends.card import Card, read_card
from prunec.frontends.huggingface import load
from prunec.frontends.loaded import Loaded
from prunec.ir.program import Input
from prunec.options import DEVICES
from prunec.passbase import Progress, Silent
from prunec.report.build import machine_of
from prunec.report.evaluation import Evaluation, Row
from prunec.texts import as_texts

SEQUENCE = 128
"""Tokens in a window, as in the figures of a compile's report."""
BATCH = 8
TextPath = str | os.PathLike[str]
OTHER = "give as --model the model that it was made from"


def evaluate(
    artifact: TextPath,
    text: TextPath | Mapping[str, TextPath],
    *,
    model: TextPath | None = None,
    task: str | None = None,
    tokens: int | None = None,
    sequence: int = SEQUENCE,
    threads: int | None = None,
    device: str = DEVICES[0],
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure an artifact of any exporter on data, with or without labels, and the dense model beside it.

    Args:
        artifact: the file, or the folder that a compile wrote.
        text: a text file, a JSON-lines file or a folder of them, or several by name; or images, in folders called like
            their labels if they have any; or inputs as `.npz` or `.safetensors`. These two need `model`.
        model: the Hugging Face folder of the dense model; None measures the artifact alone, by what its folder says.
        task: as optimum names it; by default that of the model or of the artifact's folder.
        tokens: about how many tokens of each text, drawn by `seed`; None takes all.
        sequence: tokens in a window, or in a text at most; fewer where the model takes fewer.
        threads: of the runtime; None uses every processor this process may use.
        device: what the artifact runs on, `cpu` or `cuda`; nothing else is fallen back to.
        seed: for everything drawn at random.
        progress: where to report; silent by default.

    Raises:
        InputError: the artifact, the model, a text or the device cannot be used, or they do not go together.
    """
    started, said = time.perf_counter(), progress or Silent()
    if sequence < 2 or (tokens is not None and tokens < 1):
        raise InputError("there are no tokens to measure on", "give --tokens of 1 or more, --sequence of 2 or more")
    path, kind = catalogue.find_artifact(Path(artifact))
    backend = on_device(kind, device)
    data = Given.of(_by_name(text), seed)
    _check(data, path, model is not None or (Path(artifact).is_dir() and not data.origin), tokens)
    work = Workload.parse(f"encode:{BATCH}x{sequence}", threads)
    runner = backend.load(path, work)
    card = read_card(Path(artifact if model is None else model), task, text=not data.origin)
    said.item("loading what is measured", 0, 0)
    trial = _Trial.of(path, runner, card, Path(model) if model is not None else None, sequence, data.rows)
    batches = trial.data(data, tokens, seed, said)
    goal = with_labels(objective(card.task.objective_of(card.config)), [part[0] for part in batches.values()])
    totals = trial.totals(goal, batches, said)
    names = {name: name or data.origin or data.texts[name].description for name in batches}
    return Evaluation(
        prunec=prunec.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine_of(work.threads),
        artifact=str(path),
        runtime=backend.runtime,
        model=str(model) if model is not None else None,
        metric=goal.report_unit,
        higher_is_better=goal.higher_is_better,
        damage=goal.damage_unit,
        sequence=trial.sequence if data.texts else None,
        asked=tokens,
        rows=tuple(_row(names.get(name, name), item, goal, model is not None) for name, item in totals.items()),
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True)
class _Trial:
    """An artifact that is measured, and the dense model beside it, if there is one.

    Attributes:
        path, runner: the artifact.
        card: what is known of the model.
        loaded: the dense model, if it is measured, too.
        fixed: sizes of the axes `batch` and `sequence` where one of the two takes no others.
        sequence: tokens in a window, or in a text at most.
    """

    path: Path
    runner: Runner
    card: Card
    loaded: Loaded | None
    fixed: Mapping[str, int]
    sequence: int

    @staticmethod
    def of(
        path: Path, runner: Runner, card: Card, model: Path | None, sequence: int, rows: Mapping[str, Sequence[int]]
    ) -> _Trial:
        """With the dense program traced, at the sizes of the artifact where it takes no others, and of the data."""
        fixed = fixed_sizes(runner.feeds)
        limit, loaded = card.longest, None
        if model is not None:
            sizes = {"batch": BATCH, "sequence": sequence, **fixed}
            loaded = load(model, card.task.name, sizes=sizes, rows=rows)
            limit, fixed = loaded.max_sequence, {**loaded.program.fixed, **fixed}
        longest = fixed.get("sequence", min(sequence, limit or sequence))
        return _Trial(path, runner, card, loaded, fixed, longest)

    @property
    def generates(self) -> bool:
        """Whether the model tells the next token."""
        return self.card.task.objective == "causal-lm"

    def data(self, given: Given, tokens: int | None, seed: int, progress: Progress) -> Mapping[str, Sequence[Batch]]:
        """What is `given`, by name, as both take it."""
        if not given.origin:
            return {name: self._read(text, tokens, seed, progress) for name, text in given.texts.items()}
        assert self.loaded is not None  # what is no text needs it
        rows = self.fixed.get("batch")
        batches = given.inputs(self.loaded, rows)
        if not batches:
            raise InputError(f"{given.origin} has fewer than the {rows} rows that {self.path.name} takes", "give more")
        return {"": batches}

    def _read(self, text: Text, tokens: int | None, seed: int, progress: Progress) -> Batches:
        masks = any(feed.name == MASK for feed in self.runner.feeds)
        batches = read_batches(
            text,
            self.card.tokenizer,
            [Input(name, torch.long, {}, self.fixed if name == IDS else {}) for name in FED],
            labels=names_in(self.card.config, self.card.task.name),
            packs=self.generates,
            sequence=self.sequence,
            batch=BATCH if self.generates or masks else 1,  # what takes no mask would read the padding of shorter rows
            tokens=tokens,
            seed=seed,
        )
        replier = self.loaded.replier if self.loaded is not None else None
        return replier(batches, seed, progress) if replier is not None else batches

    def totals(self, goal: Objective, batches: Mapping[str, Sequence[Batch]], progress: Progress) -> dict[str, Totals]:
        """The figures of each text, before them their sum where there are several."""
        if self.loaded is None and not goal.knows_truth:
            raise InputError(
                f"the {goal.report_unit} needs the dense model",
                "give --model, or text with labels for a classifier",
            )
        totals, done, count = dict.fromkeys(batches, Totals()), 0, sum(map(len, batches.values()))
        for name, part in batches.items():
            for batch in part:
                totals[name] += self._compare(goal, batch)
                done += 1
                progress.item("measuring", done, count)
        whole = {", ".join(totals): sum(totals.values(), Totals())} if len(totals) > 1 else {}
        return whole | totals

    def _compare(self, goal: Objective, batch: Batch) -> Totals:
        said = answers(self.runner, {name: value.numpy() for name, value in batch.items()})
        found = {name: torch.from_numpy(value).float() for name, value in said.items()}
        with torch.no_grad():
            reference = self.loaded.program(batch) if self.loaded is not None else None
        outputs = self._outputs(found, reference, batch)
        return Totals.of(goal, outputs, reference or outputs, batch)

    def _outputs(self, found: Batch, reference: Batch | None, batch: Batch) -> Batch:
        """Of all that the artifact gives, what the dense model or else the task says that counts."""
        names = reference or self.card.task.outputs
        missing = [name for name in names if name not in found]
        if missing:
            raise InputError(f"{self.path} does not give {', '.join(missing)}, but {', '.join(found)}", OTHER)
        if self.generates and found["logits"].shape[1] != batch[IDS].shape[1]:
            raise InputError(
                f"{self.path} gives the logits of {found['logits'].shape[1]} of {batch[IDS].shape[1]} tokens",
                "measure an artifact that gives those of all tokens",
            )
        for name, value in (reference or {}).items():
            if found[name].shape != value.shape:
                shapes = f"{list(found[name].shape)} where the model gives {list(value.shape)}"
                raise InputError(f"{self.path} gives {name} of {shapes}", OTHER)
        return {name: found[name] for name in names}


def _check(data: Given, path: Path, known: bool, tokens: int | None) -> None:
    """Make sure that `data` can become what the artifact at `path` takes; `known` says whether a folder tells how."""
    if not known:
        what = "which tokens" if data.texts else "how to read what is no text for what"
        raise InputError(f"nothing says {what} {path.name} takes", "give --model, the folder of the dense model")
    if tokens is not None and data.origin:
        raise InputError(f"--tokens counts tokens of text, and {data.origin} is none", "leave it out")


def _by_name(text: TextPath | Mapping[str, TextPath]) -> Mapping[str, Path]:
    given = as_texts(text)
    return given if isinstance(given, Mapping) else {"": given}


def _row(name: str, totals: Totals, goal: Objective, compared: bool) -> Row:
    """One text's line; where nothing was compared the dense figures are not there."""
    found = totals.quality(goal)
    dense = (found.dense, found.dense_range, found.damage) if compared else (None, (), None)
    return Row(name, found.items, found.slim, dense[0], found.slim_range, dense[1], dense[2])
