"""One text through any artifact; of generative ones the most likely continuation, a token at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from prunec.cost.feeding import DECODER, IDS, MASK, PAST, answers, fixed_sizes
from prunec.cost.timer import Arrays, Runner
from prunec.errors import InputError

PRESENT = "present"
"""How the outputs begin that are the inputs `past_key_values` of the next step."""


def one_text(
    runner: Runner, ids: Sequence[int], past: Arrays | None = None, length: int = 0, said: Sequence[int] = ()
) -> Arrays:
    """The outputs for the tokens `ids`, after `past`, which is of `length` tokens.

    Where the artifact takes no other number of tokens or rows, padding follows, and the row is repeated. `said` is what
    a decoder reads beside them.

    Raises:
        InputError: there are more tokens than it takes, or it fails on them.
    """
    sizes = fixed_sizes(runner.feeds)
    longest = sizes.get("sequence", len(ids))
    if len(ids) > longest:
        raise InputError(f"the artifact takes {longest} tokens, and the text has {len(ids)}", "give a shorter text")
    padding = [0] * (longest - len(ids))
    rows = {IDS: [*ids, *padding], MASK: [*[1] * (length + len(ids)), *padding]}
    if said:
        rows[DECODER] = [*said, *[0] * (_decoded(runner, len(said)) - len(said))]
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
        logits = _logits(outputs)
        chosen = int(logits[min(len(fresh), len(logits)) - 1].argmax())
        yield chosen
        if cached:
            past, length, fresh = _carried(outputs), length + len(fresh), [chosen]
        else:
            fresh.append(chosen)


def replies(runner: Runner, ids: Sequence[int], start: int) -> Iterator[int]:
    """The most likely tokens of an encoder-decoder's answer to `ids`, until it takes no more.

    Args:
        runner: the artifact, which is fed all that is said so far each time.
        ids: the text.
        start: the token that its decoder begins with.

    Raises:
        InputError: as `one_text`, or the artifact gives no logits.
    """
    said = [start]
    while len(said) <= _decoded(runner, len(said)):
        logits = _logits(one_text(runner, ids, said=said))
        said.append(int(logits[len(said) - 1].argmax()))
        yield said[-1]


def _logits(outputs: Arrays) -> np.ndarray:
    if "logits" not in outputs:
        raise InputError(f"the artifact gives no logits, but {', '.join(outputs)}", "give one that generates text")
    return np.asarray(outputs["logits"][0])


def _decoded(runner: Runner, usual: int) -> int:
    """How many tokens the artifact's decoder takes; `usual` where it takes any number."""
    shape = next((feed.shape for feed in runner.feeds if feed.name == DECODER), ())
    size = shape[1] if len(shape) > 1 else usual
    return size if isinstance(size, int) else usual


def _carried(outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The caches that a step gives, by the names that the next one takes them by."""
    return {
        PAST + name.removeprefix(PRESENT): value for name, value in outputs.items() if name.startswith(f"{PRESENT}.")
    }
