"""Text that no compile has seen, and what files make of it beside the dense one."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from prunec.backends.onnx import OnnxBackend
from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Objective, Tensors, objective
from prunec.calibration.sources import read_texts
from prunec.calibration.textsource import Text, TextSource
from prunec.cost.feeding import answers
from prunec.cost.timer import Arrays, Runner
from prunec.cost.workload import Workload
from prunec.files import atomic_path
from prunec.frontends.loaded import Loaded
from prunec.passbase import Silent

TEXTS = ("wiki_eval", "tales_eval")
TOKENS = 16_384
"""Tokens of each text that a file is measured on."""
SEQUENCE = 128


def evaluation(loaded: Loaded, path: Path, tokens: int = TOKENS) -> Corpus:
    """A corpus whose reporting part is `tokens` of the text at `path`."""
    packs = loaded.task.objective == "causal-lm"
    text = Text(read_texts(path), path.stem)
    source = TextSource(SEQUENCE, packs=packs, tokenizer=loaded.tokenizer, texts={"": text})
    return source.build(loaded.program, tokens=(512, 512, tokens), batch=8, seed=1, progress=Silent())


@dataclass(frozen=True)
class Unseen:
    """The texts, with the dense file that others are measured beside.

    Attributes:
        loaded: the dense model.
        texts: the folder of the texts.
        dense: where its file is, or is written the first time that it is needed.
        tokens: of each text.
    """

    loaded: Loaded
    texts: Path
    dense: Path
    tokens: int = TOKENS
    _known: dict[str, float] = field(default_factory=dict)

    @cached_property
    def corpora(self) -> dict[str, Corpus]:
        """The texts as tokens, by name."""
        return {text: evaluation(self.loaded, self.texts / f"{text}.txt", self.tokens) for text in TEXTS}

    @property
    def goal(self) -> Objective:
        """What figures are of."""
        return objective(self.loaded.task.objective)

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
