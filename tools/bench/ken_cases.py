"""One tuning of a sentence encoder on a labelled set: made, and tested on rows that it was not made from."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tools import finetune
from tools.bench.rows import Row

BASE = "minilm-l6"
SETS = ("bbc_topics", "tweet_sentiment")
SEEDS = (0, 1, 2)
"""Of tuning."""


@dataclass(frozen=True)
class Case:
    """One tuning.

    Attributes:
        models: where `tools/fetch_models.py` put models and sets.
        name: of the labelled set.
        seed: of tuning.
        tuned: the folder of the tuned model.
        longest: tokens of a text at most.
    """

    models: Path
    name: str
    seed: int
    tuned: Path
    longest: int

    @property
    def base(self) -> Path:
        """The folder of the model that was tuned."""
        return self.models / BASE

    def tune(self, options: argparse.Namespace) -> Row:
        """Tune, unless it was done; what that took."""
        data = self.models / "labels" / self.name
        words = [sys.executable, finetune.__file__, self.base, data, self.tuned, "--seed", self.seed]
        words += ["--rows", options.rows, "--epochs", options.epochs, "--longest", self.longest, "--threads", 1]
        began = time.monotonic()
        if not (self.tuned / "config.json").is_file():
            subprocess.run(list(map(str, words)), check=True)
        took = {"tuning_seconds": time.monotonic() - began}
        return {"rows": options.rows, "epochs": options.epochs, "longest": self.longest, **took}

    @cached_property
    def tests(self) -> finetune.Labelled:
        """The test rows, short ones first: a batch is as long as its longest text."""
        rows = finetune.read_rows(self.models / "labels" / f"{self.name}_test.jsonl")
        rows.sort(key=lambda row: len(row["text"]))
        return finetune.labelled(rows, sorted({row["label"] for row in rows}))

    @cached_property
    def tokenizer(self) -> Any:
        """The tuned model's."""
        return AutoTokenizer.from_pretrained(self.tuned)

    def accuracy(self, model: nn.Module) -> float:
        """The share of test rows that `model` has right."""
        return finetune.accuracy(model, self.tokenizer, self.tests, argparse.Namespace(batch=16, longest=self.longest))

    def classifier(self, folder: Path) -> nn.Module:
        """The model of `folder` as a classifier with as many labels as the tuned model."""
        count = len(set(self.tests[1].tolist()))
        model: nn.Module = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=count)
        return model

    def row(self, **more: Any) -> Row:
        """A row of this tuning."""
        return {"set": self.name, "seed": self.seed, **more}
