"""Named corpora are one corpus that keeps each of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from prunec.calibration.corpus import Corpus
from prunec.calibration.named import joined


def corpus(token: int, batches: int = 2, note: str = "") -> Corpus:
    """A corpus whose every token is `token`: `batches` for scoring, one each for choosing and reporting."""
    batch = {"input_ids": torch.full((1, 3), token)}
    return Corpus((batch,) * batches, (batch,), (batch,), f"{token}.txt", f"hash {token}", False, (note,) * bool(note))


def tokens(joint: Corpus) -> list[list[int]]:
    return [[int(batch["input_ids"][0, 0]) for batch in part] for part in (joint.score, joint.choose, joint.report)]


def test_batches_take_turns() -> None:
    joint = joined({"a": corpus(1), "b": corpus(2, 3)})
    assert tokens(joint) == [[1, 2, 1, 2, 2], [1, 2], [1, 2]]


def test_each_is_kept_by_its_name() -> None:
    one, two = corpus(1), corpus(2)
    assert joined({"a": one, "b": two}).named == {"a": one, "b": two}


def test_the_description_and_the_notes_name_each() -> None:
    joint = joined({"a": corpus(1), "b": corpus(2, note="short")})
    assert joint.description == "a=1.txt, b=2.txt"
    assert joint.notes == ("b: short",)


def test_the_order_changes_nothing() -> None:
    one, two = joined({"a": corpus(1), "b": corpus(2)}), joined({"b": corpus(2), "a": corpus(1)})
    assert tokens(one) == tokens(two)
    assert (one.data_hash, one.description) == (two.data_hash, two.description)


@pytest.mark.parametrize("other", [{"a": 1, "c": 2}, {"a": 2, "b": 1}, {"a": 1}])
def test_other_names_or_texts_have_another_hash(other: dict[str, int]) -> None:
    joint = joined({"a": corpus(1), "b": corpus(2)})
    assert joined({name: corpus(token) for name, token in other.items()}).data_hash != joint.data_hash


def test_text_to_train_on_is_an_equal_share_of_each() -> None:
    def drawn(token: int) -> Corpus:
        return replace(corpus(token), draw=lambda count, rows: ({"input_ids": torch.full((rows, count), token)},))

    joint = joined({"a": drawn(1), "b": drawn(2), "c": corpus(3)})
    batches = joint.training(9, 4)
    assert [tuple(batch["input_ids"].shape) for batch in batches] == [(4, 3), (4, 3), (1, 3), (1, 3)]
    assert [int(batch["input_ids"][0, 0]) for batch in batches] == [1, 2, 3, 3]


def test_one_without_a_name_stays_as_it_is() -> None:
    one = corpus(1)
    assert joined({"": one}) is one
