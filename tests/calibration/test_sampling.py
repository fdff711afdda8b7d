"""A sample of tokens is drawn evenly, however the stream is cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from prunec.calibration.executor import collect
from prunec.calibration.sampling import TokenSample
from prunec.errors import InputError
from prunec.passbase import Silent
from tests.passes.cases import Batch, Case, load_case


@pytest.fixture(scope="module")
def llama(tiny_llama_dir: Path) -> Case:
    return load_case(tiny_llama_dir)


class Small(TokenSample):
    """Ten tokens."""

    SIZE = LEAST = 10


def sampled(case: Case, *, seed: int = 0) -> list[np.ndarray]:
    statistic = Small()
    collect(
        case.program,
        case.structure,
        case.corpus.score,
        [statistic],
        case.goal.objective,
        seed=seed,
        progress=Silent(),
    )
    return [statistic.rows(family, family.sites[0]) for family in case.structure.families]


def split(batches: tuple[Batch, ...]) -> tuple[Batch, ...]:
    return tuple(
        {name: value[row : row + 1] for name, value in batch.items()}
        for batch in reversed(batches)
        for row in reversed(range(len(batch["input_ids"])))
    )


def test_neither_order_nor_batching_changes_the_sample(llama: Case) -> None:
    apart = sampled(replace(llama, corpus=replace(llama.corpus, score=split(llama.corpus.score))))
    for together, alone in zip(sampled(llama), apart, strict=True):
        assert together.shape == (10, alone.shape[1])
        assert together == pytest.approx(alone, rel=1e-4, abs=1e-6)


def test_padding_is_never_drawn(llama: Case) -> None:
    padded = tuple(
        {name: torch.nn.functional.pad(value, (0, 5)) for name, value in batch.items()} for batch in llama.corpus.score
    )
    wider = sampled(replace(llama, corpus=replace(llama.corpus, score=padded)))
    for drawn, same in zip(sampled(llama), wider, strict=True):
        assert drawn == pytest.approx(same, rel=1e-4, abs=1e-6)


def test_another_seed_draws_other_tokens(llama: Case) -> None:
    assert not np.allclose(sampled(llama)[0], sampled(llama, seed=1)[0])


def test_a_stream_shorter_than_the_sample_is_refused_with_what_was_found(llama: Case) -> None:
    first = {name: value[:1, :4] for name, value in llama.corpus.score[0].items()}
    with pytest.raises(InputError, match=r"sample of 10 tokens is needed, and the scoring text gives .* only 4"):
        sampled(replace(llama, corpus=replace(llama.corpus, score=(first,))))
