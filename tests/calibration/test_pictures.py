"""Images become batches when they are asked for, and folders called like labels label them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from prunec.calibration.batching import Batch
from prunec.calibration.pictures import Pictures, folder_labels
from prunec.errors import InputError

FILES = tuple(Path(f"{number}.png") for number in range(7))
NAMES = ("cat", "dog")


def numbered(files: Sequence[Path]) -> Batch:
    return {"pixel_values": torch.tensor([int(file.stem) for file in files])}


def test_batches_are_full_but_for_the_last() -> None:
    found = Pictures(FILES, 3, numbered)
    assert [batch["pixel_values"].tolist() for batch in found] == [[0, 1, 2], [3, 4, 5], [6]]
    assert len(found) == 3


def test_a_batch_is_read_when_it_is_asked_for() -> None:
    read: list[Path] = []

    def make(files: Sequence[Path]) -> Batch:
        read.extend(files)
        return numbered(files)

    found = Pictures(FILES, 3, make)
    assert not read
    assert found[2]["pixel_values"].tolist() == [6]
    assert read == [FILES[6]]


@pytest.mark.parametrize("place", [-1, 3])
def test_there_is_no_batch_outside(place: int) -> None:
    with pytest.raises(IndexError):
        Pictures(FILES, 3, numbered)[place]


def test_batches_have_their_labels() -> None:
    found = Pictures(FILES, 3, numbered, [0, 1, 1, 0, 0, 1, 1])
    assert [batch["labels"].tolist() for batch in found] == [[0, 1, 1], [0, 0, 1], [1]]


def test_without_labels_batches_have_none() -> None:
    assert all(set(batch) == {"pixel_values"} for batch in Pictures(FILES, 3, numbered))


def test_folders_called_like_labels_label_what_is_in_them() -> None:
    files = [Path("a/dog/1.png"), Path("a/cat/1.png"), Path("b/dog/2.png")]
    assert folder_labels(files, NAMES) == [1, 0, 1]


@pytest.mark.parametrize("names", [NAMES, ()])
def test_other_folders_label_nothing(names: Sequence[str]) -> None:
    assert folder_labels([Path("photos/1.png"), Path("photos/more/2.png")], names) == []


def test_a_folder_beside_those_of_labels_that_is_none_is_refused() -> None:
    files = [Path("a/dog/1.png"), Path("a/cta/1.png")]
    message = r"folders of the model's labels, and a/cta is none of these\. .* the labels are cat, dog"
    with pytest.raises(InputError, match=message):
        folder_labels(files, NAMES)
