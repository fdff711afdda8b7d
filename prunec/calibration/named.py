"""Several named corpora as one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest

from prunec.calibration.batching import Batches
from prunec.calibration.corpus import Corpus


def joined(corpora: Mapping[str, Corpus]) -> Corpus:
    """All of `corpora` as one, which keeps each by its name; one without a name is given back as it is.

    Batches take turns, so that every beginning of the stream holds some of each. Corpora are taken in the order of
    their names: in what order they were given changes nothing.
    """
    if list(corpora) == [""]:
        return corpora[""]
    named = dict(sorted(corpora.items()))
    return replace(
        next(iter(named.values())),
        score=_in_turns([corpus.score for corpus in named.values()]),
        choose=_in_turns([corpus.choose for corpus in named.values()]),
        report=_in_turns([corpus.report for corpus in named.values()]),
        description=", ".join(f"{name}={corpus.description}" for name, corpus in named.items()),
        data_hash=_hash(named),
        notes=tuple(f"{name}: {note}" for name, corpus in named.items() for note in corpus.notes),
        named=named,
        draw=_drawn(named),
    )


def _in_turns(parts: Sequence[Batches]) -> Batches:
    return tuple(batch for turn in zip_longest(*parts) for batch in turn if batch is not None)


def _drawn(named: Mapping[str, Corpus]) -> Callable[[int, int], Batches]:
    """Reads an equal share of each corpus."""

    def draw(tokens: int, batch: int) -> Batches:
        return _in_turns([corpus.training(-(-tokens // len(named)), batch) for corpus in named.values()])

    return draw


def _hash(named: Mapping[str, Corpus]) -> str:
    """Of the names and of what each corpus holds."""
    lines = [f"{name} {corpus.data_hash}" for name, corpus in named.items()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
