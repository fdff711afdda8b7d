"""One text through any artifact; of generative ones the most likely continuation, a token at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from prunec.cost.feeding import IDS, MASK, PAST, answers, fixed_sizes
from prunec.cost.timer import Arrays, Runner
from prunec.errors import InputError

PRESENT = "present"
"""How the outputs begin that are the inputs `past_key_values` of the next step."""


def one_text(runner: Runner, ids: Sequence[int], past: Arrays | None = None, length: int = 0) -> Arrays:
    """The outputs for the tokens `ids`, after `past`, which is of `length` tokens.

    Where the artifact takes no other number of tokens or rows, padding follows, and the row is repeated.

    Raises:
        InputError: there are more tokens than it takes, or it fails on them.
    """
    sizes = fixed_sizes(runner.feeds)
    longest = sizes.get("sequence", len(ids))
    if len(ids) > longest:
        raise InputError(f"the artifact takes {longest} tokens, and the text has {len(ids)}", "give a shorter text")
    padding = [0] * (longest - len(ids))
    rows = {IDS: [*ids, *padding], MASK: [*[1] * (length + len(ids)), *padding]}
    return answers(runner, {name: np.array([row] * sizes.get("batch", 1)) for name, row in rows.items()}, past)


def greedy(runner: Runner, ids: Sequence[int]) -> Iterator[int]:
    """The most likely tokens after `ids`, without end.

    An artifact with a cache of keys and values is fed each token once, any other the whole text each time. Logits may
    be those of all tokens or of the last.

    Raises:
        InputError: as `one_text`, or the artifact gives no logits.
    """
    cached = any(feed.name.startswith(PAST) for feed in runner.feeds)
    fresh, past, length = list(ids), dict[str, np.ndarray](), 0
    while True:
        outputs = one_text(runner, fresh, past, length)
        if "logits" not in outputs:
            raise InputError(f"the artifact gives no logits, but {', '.join(outputs)}", "give one that generates text")
        logits = outputs["logits"][0]
        chosen = int(logits[min(len(fresh), len(logits)) - 1].argmax())
        yield chosen
        if cached:
            past, length, fresh = _carried(outputs), length + len(fresh), [chosen]
        else:
            fresh.append(chosen)


def _carried(outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The caches that a step gives, by the names that the next one takes them by."""
    return {
        PAST + name.removeprefix(PRESENT): value for name, value in outputs.items() if name.startswith(f"{PRESENT}.")
    }
