"""The smallest proof that an artifact works: what it says to one text."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, softmax
from transformers import TextStreamer

import prunec
from prunec import catalogue
from prunec.cost.feeding import fixed_sizes
from prunec.cost.greedy import greedy, one_text, replies
from prunec.cost.numerics import on_device
from prunec.cost.timer import Runner
from prunec.cost.workload import Workload
from prunec.errors import InputError
from prunec.frontends.card import Card, read_card
from prunec.frontends.replies import decoder_start
from prunec.options import DEVICES
from prunec.report.answer import Answer, Label

Say = Callable[[str], object]
"""Takes each piece of a generated text as soon as it is there."""


def unsaid(piece: str) -> None:
    """Says nothing."""


@dataclass(frozen=True)
class Answerer:
    """A loaded artifact of any exporter, and what is known of its model."""

    path: Path
    runner: Runner
    runtime: str
    card: Card

    @staticmethod
    def open(
        artifact: str | os.PathLike[str],
        tokenizer: str | os.PathLike[str] | None = None,
        *,
        task: str | None = None,
        threads: int | None = None,
        device: str = DEVICES[0],
    ) -> Answerer:
        """Load an artifact.

        Args:
            artifact: the file, or the folder that a compile wrote.
            tokenizer: the folder with the model's config and tokenizer; None is that of the artifact.
            task: as optimum names it; by default what that folder says.
            threads: of the runtime; None uses every processor this process may use.
            device: what the artifact runs on, `cpu` or `cuda`; nothing else is fallen back to.

        Raises:
            InputError: one of them cannot be used, or nothing is known that shows an answer for the task.
        """
        path, kind = catalogue.find_artifact(Path(artifact))
        backend = on_device(kind, device)
        if tokenizer is None and not Path(artifact).is_dir():
            raise InputError(
                f"nothing says which tokens {path.name} takes", "give --tokenizer, the folder of its model"
            )
        work = Workload.parse("encode:1x1", threads)
        runner = backend.load(path, work)
        card = read_card(Path(artifact if tokenizer is None else tokenizer), task)
        if card.task.name not in KINDS:
            raise InputError(
                f"there is no way to show an answer for {card.task.name}", f"there is for {', '.join(KINDS)}"
            )
        return Answerer(path, runner, backend.runtime, card)

    @property
    def goes_on(self) -> bool:
        """Whether what it generates is read after the text that it is given."""
        return self.card.task.objective == "causal-lm"

    def answer(self, text: str, tokens: int = 32, say: Say = unsaid) -> Answer:
        """What the artifact says to `text`: text of at most `tokens` tokens, labels, or an embedding.

        Raises:
            InputError: the text has no tokens or too many, or the artifact and the tokenizer do not go together.
        """
        ids = self.card.tokenizer(text, verbose=False)["input_ids"]
        if tokens < 1 or not ids:
            raise InputError("there are no tokens to run", "give some words, and --tokens of 1 or more")
        longest = self._longest()
        if longest is not None and len(ids) > longest:
            raise InputError(f"the text has {len(ids)} tokens, and the model takes {longest}", "give a shorter text")
        started = time.perf_counter()
        found = KINDS[self.card.task.name](self, ids, tokens, say)
        return Answer(
            prunec=prunec.__version__,
            artifact=str(self.path),
            runtime=self.runtime,
            task=self.card.task.name,
            tokens=len(ids),
            seconds=time.perf_counter() - started,
            **found,
        )

    def generated(self, ids: list[int], tokens: int, say: Say) -> dict[str, Any]:
        """The most likely continuation, until it ends, is long enough or fills what the model takes."""
        longest = self._longest()
        room = tokens if longest is None else min(tokens, longest - len(ids))
        return self._written(islice(greedy(self.runner, ids), room), say)

    def replied(self, ids: list[int], tokens: int, say: Say) -> dict[str, Any]:
        """The most likely answer, until it ends, is long enough or fills what the decoder takes."""
        return self._written(islice(replies(self.runner, ids, decoder_start(self.card.config)), tokens), say)

    def _written(self, found: Iterable[int], say: Say) -> dict[str, Any]:
        """The text of tokens, said as they come, up to one that ends it."""
        stream, new = _Stream(self.card, say), list[int]()
        for token in found:
            if token in self.card.ends:
                break
            new.append(token)
            stream.put(np.array([token]))  # type: ignore[no-untyped-call]
        stream.end()  # type: ignore[no-untyped-call]
        return {"generated": len(new), "text": self.card.tokenizer.decode(new, skip_special_tokens=True)}

    def labelled(self, ids: list[int], tokens: int, say: Say) -> dict[str, Any]:
        """Every label with its probability; where the model gives one number, that number."""
        logits = self._output(ids)
        if len(logits) == 1:
            return {"embedding": (float(logits[0]),)}
        several = self.card.config.get("problem_type") == "multi_label_classification"
        shares = (expit if several else softmax)(logits.astype(np.float64))
        names = self.card.label_names(len(shares))
        ranked = sorted(zip(names, shares, strict=True), key=lambda pair: -pair[1])
        return {"labels": tuple(Label(name, float(share)) for name, share in ranked)}

    def embedded(self, ids: list[int], tokens: int, say: Say) -> dict[str, Any]:
        """The mean of what the artifact says of each token."""
        value = self._output(ids)
        return {"embedding": tuple(map(float, value[: len(ids)].mean(0) if value.ndim > 1 else value))}

    def _longest(self) -> int | None:
        """Tokens that the artifact, else the model by its config, takes at most."""
        return fixed_sizes(self.runner.feeds).get("sequence", self.card.longest)

    def _output(self, ids: list[int]) -> np.ndarray:
        """The output that counts, without its axis of rows."""
        outputs = one_text(self.runner, ids)
        (name,) = self.card.task.outputs
        if name not in outputs:
            raise InputError(f"{self.path} does not give {name}, but {', '.join(outputs)}", "look at --task")
        return np.asarray(outputs[name][0])


KINDS = {
    "text-generation": Answerer.generated,
    "text2text-generation": Answerer.replied,
    "text-classification": Answerer.labelled,
    "feature-extraction": Answerer.embedded,
}
"""How an artifact answers, by task."""


class _Stream(TextStreamer):
    """Says the words of a text that is being generated."""

    def __init__(self, card: Card, say: Say) -> None:
        super().__init__(card.tokenizer, skip_special_tokens=True)
        self.say = say

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        self.say(text)
