"""Text or pictures that no compile has seen, and what files make of them beside the dense one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from prunec.backends.onnx import OnnxBackend
from prunec.calibration.corpus import Corpus
from prunec.calibration.labels import LABELS, LabelledText
from prunec.calibration.objective import Objective, Tensors, objective, with_labels
from prunec.calibration.textsource import TextSource
from prunec.cost.feeding import answers
from prunec.cost.timer import Arrays, Runner
from prunec.cost.workload import Workload
from prunec.drivers.given import Given
from prunec.files import atomic_path
from prunec.frontends.loaded import Loaded
from prunec.passbase import Silent
from tools.bench.subjects import Subject
from tools.bench.zero_shot import ZeroShot

TOKENS = 16_384
"""Tokens of each text that a file is measured on."""
SEQUENCE = 128
LABELLED = 10**6
"""Tokens that are more than any labelled text has."""


def evaluation(loaded: Loaded, path: Path, tokens: int = TOKENS) -> Corpus:
    """A corpus whose reporting part is `tokens` of the text at `path`: all of it with labels, and of pictures."""
    given = Given.of({"": path}, 0)
    if given.origin:
        batches = tuple(given.inputs(loaded, loaded.program.fixed.get("batch")))
        return Corpus((), (), batches, given.origin, "", is_default=False)
    packs = loaded.task.objective == "causal-lm"
    text = replace(given.texts[""], description=path.stem)
    tokens = LABELLED if isinstance(text.documents[0], LabelledText) else tokens
    source = TextSource(SEQUENCE, packs=packs, tokenizer=loaded.tokenizer, texts={"": text})
    return source.build(loaded.program, tokens=(512, 512, tokens), batch=8, seed=1, progress=Silent())


@dataclass(frozen=True)
class Unseen:
    """The texts, with the dense file that others are measured beside.

    Attributes:
        loaded: the dense model.
        folder: where models and texts are.
        subject: which texts.
        dense: where its file is, or is written the first time that it is needed.
        tokens: of each text.
    """

    loaded: Loaded
    folder: Path
    subject: Subject
    dense: Path
    tokens: int = TOKENS
    _known: dict[str, float] = field(default_factory=dict)
    _answered: dict[Path, dict[str, np.ndarray]] = field(default_factory=dict)

    @cached_property
    def corpora(self) -> dict[str, Corpus]:
        """The texts as tokens, by name."""
        paths = [self.folder / name for name in self.subject.unseen]
        return {path.stem: evaluation(self.loaded, path, self.tokens) for path in paths}

    @cached_property
    def questions(self) -> ZeroShot | None:
        """What a language model is asked, if anything."""
        path, tokenizer = self.subject.zero_shot, self.loaded.tokenizer
        return ZeroShot.read(self.folder / path, tokenizer) if path and tokenizer is not None else None

    @cached_property
    def goal(self) -> Objective:
        """What figures are of."""
        batches = [batch for corpus in self.corpora.values() for batch in corpus.report]
        return with_labels(objective(self.loaded.task.objective), batches)

    def dense_file(self) -> Path:
        """The dense file."""
        if not self.dense.exists():
            with atomic_path(self.dense) as staged:
                OnnxBackend().emit(self.loaded.program, staged)
        return self.dense

    def figures(self, file: Path | None, work: Workload) -> dict[str, list[float]]:
        """The figure of the dense file and of `file` on each text; of the dense one alone if there is no other.

        The dense file's is found once.

        Raises:
            RuntimeError: what the two say cannot be compared, as features that are fewer.
        """
        dense, *other = (OnnxBackend().load(path, work) for path in (self.dense_file(), file) if path)
        for name, corpus in self.corpora.items():
            if name not in self._known:
                self._known[name] = _figure(self.goal, dense, dense, corpus)
        beside = None if self.goal.knows_truth else dense  # what the text itself tells needs no dense model
        return {
            name: [self._known[name], *(_figure(self.goal, slim, beside, corpus) for slim in other)]
            for name, corpus in self.corpora.items()
        }

    def right(self, file: Path, work: Workload) -> dict[str, dict[str, int]]:
        """By labelled text how many answers are right, of the dense file, of `file` and of both, and of how many."""
        dense, slim = (self._hits(path, work) for path in (self.dense_file(), file))
        return {
            name: {
                "dense": int(hits.sum()),
                "file": int(slim[name].sum()),
                "both": int((hits & slim[name]).sum()),
                "count": len(hits),
            }
            for name, hits in dense.items()
        }

    def _hits(self, file: Path, work: Workload) -> dict[str, np.ndarray]:
        """By labelled text which answers of `file` are right."""
        if file in self._answered:
            return self._answered[file]
        found, run = {}, OnnxBackend().load(file, work)
        if self.questions is not None:
            found[Path(self.subject.zero_shot).stem] = self.questions.right(run)
        if self.goal.counts_hits:
            found |= {name: _right_labels(run, corpus) for name, corpus in self.corpora.items()}
        if file == self.dense:
            self._answered[file] = found
        return found


def _right_labels(run: Runner, corpus: Corpus) -> np.ndarray:
    batches = [{name: value.numpy() for name, value in batch.items()} for batch in corpus.report]
    return np.concatenate([answers(run, batch)["logits"].argmax(-1) == batch[LABELS] for batch in batches])


def _figure(goal: Objective, run: Runner, dense: Runner | None, corpus: Corpus) -> float:
    """The objective's report of what `run` says, a mean over the part to report on; beside itself if no `dense`."""
    total, items = 0.0, 0.0
    for batch in corpus.report:
        arrays = {name: value.numpy() for name, value in batch.items()}
        own = _tensors(run, arrays)
        reference = own if dense is None or dense is run else _tensors(dense, arrays)
        value, count = goal.report(own, reference, batch)
        total, items = total + value, items + count
    return total / items


def _tensors(run: Runner, arrays: Arrays) -> Tensors:
    return {name: torch.from_numpy(value) for name, value in answers(run, arrays).items()}
