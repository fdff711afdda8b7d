"""A generative model writes calibration text: seeded, of the size asked for, from its own distribution."""

from __future__ import annotations

import pytest
import torch

from prunec.frontends import writer as writer_module
from prunec.frontends.loaded import Loaded, Writer
from prunec.passbase import Silent


class Recorder(Silent):
    """Keeps what is reported."""

    def __init__(self) -> None:
        self.items: list[tuple[int, int]] = []

    def item(self, text: str, done: int, total: int) -> None:
        self.items.append((done, total))


@pytest.fixture
def write(llama: Loaded) -> Writer:
    assert llama.writer is not None
    return llama.writer


def test_rows_cover_the_tokens(write: Writer) -> None:
    rows = write(50, 8, 0, Silent())
    assert rows.shape == (7, 8)
    assert rows.dtype == torch.long


def test_the_same_seed_writes_the_same_and_another_does_not(write: Writer) -> None:
    assert torch.equal(write(40, 8, 3, Silent()), write(40, 8, 3, Silent()))
    assert not torch.equal(write(40, 8, 3, Silent()), write(40, 8, 4, Silent()))


def test_the_global_random_state_is_not_touched(write: Writer) -> None:
    before = torch.get_rng_state()
    write(16, 8, 0, Silent())
    assert torch.equal(torch.get_rng_state(), before)


def test_rows_are_written_in_groups(write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "ROWS", 3)
    recorder = Recorder()
    assert write(40, 8, 0, recorder).shape == (5, 8)
    assert recorder.items[-1] == (40, 40)
    assert [done for done, _ in recorder.items] == sorted(done for done, _ in recorder.items)


def test_tokens_follow_the_models_distribution(llama: Loaded, write: Writer) -> None:
    rows = write(2000, 2, 0, Silent())
    starts, nexts = rows[:, :1], rows[:, 1]
    with torch.no_grad():
        inputs = {"input_ids": starts, "attention_mask": torch.ones_like(starts)}
        probabilities = llama.program(inputs)["logits"][:, -1].softmax(-1)
    expected = probabilities.mean(0)
    drawn = torch.bincount(nexts, minlength=expected.numel()) / len(nexts)
    common = expected.topk(5).indices
    assert (drawn[common] - expected[common]).abs().max() < 5 * (expected[common].max() / len(nexts)) ** 0.5
