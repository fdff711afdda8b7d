"""Files of a model's inputs become batches of rows, and what cannot be used is one clear line."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from prunec.calibration.inputs import MOST, drawn, in_rows, read_inputs, stacked
from prunec.errors import InputError


def noise(rows: int) -> dict[str, Tensor]:
    """Two inputs of `rows` rows."""
    return {"pixel_values": torch.randn(rows, 3, 4, 4), "input_ids": torch.randint(50, (rows, 5))}


def npz(path: Path, **arrays: object) -> Path:
    np.savez(path, allow_pickle=True, **{name: np.asarray(value) for name, value in arrays.items()})
    return path


def compressed() -> bytes:
    """A compressed file of one array."""
    stream = io.BytesIO()
    np.savez_compressed(stream, x=np.arange(4000.0).reshape(1000, 4))
    return stream.getvalue()


def test_the_arrays_of_npz_are_read_as_they_are(tmp_path: Path) -> None:
    arrays = noise(3)
    (batch,) = read_inputs([npz(tmp_path / "a.npz", **arrays)])
    torch.testing.assert_close(dict(batch), arrays, rtol=0, atol=0)


def test_the_tensors_of_safetensors_are_read_as_they_are(tmp_path: Path) -> None:
    tensors = noise(3)
    save_file(tensors, tmp_path / "a.SafeTensors")
    (batch,) = read_inputs([tmp_path / "a.SafeTensors"])
    torch.testing.assert_close(dict(batch), tensors, rtol=0, atol=0)


def test_each_file_is_a_batch(tmp_path: Path) -> None:
    save_file(noise(5), tmp_path / "b.safetensors")
    files = [npz(tmp_path / "a.npz", **noise(2)), tmp_path / "b.safetensors", npz(tmp_path / "c.npz", **noise(1))]
    assert [len(batch["input_ids"]) for batch in read_inputs(files)] == [2, 5, 1]


def test_batches_are_cut_into_rows_in_order(tmp_path: Path) -> None:
    batches = [noise(7), noise(4), noise(1)]
    cut = in_rows(batches, 3)
    assert [len(batch["input_ids"]) for batch in cut] == [3, 3, 1, 3, 1, 1]
    for name in batches[0]:
        assert torch.equal(torch.cat([batch[name] for batch in cut]), torch.cat([batch[name] for batch in batches]))


def test_a_batch_of_few_rows_is_not_cut() -> None:
    batch = noise(3)
    (kept,) = in_rows([batch], 3)
    assert all(torch.equal(kept[name], batch[name]) for name in batch)


def test_rows_are_stacked_in_order() -> None:
    rows = [noise(1) for _ in range(7)]
    expected = torch.cat([row["input_ids"] for row in rows])
    assert torch.equal(stacked(rows)["input_ids"], expected)


def test_stacking_undoes_cutting() -> None:
    batch = noise(4)
    torch.testing.assert_close(stacked(in_rows([batch], 1)), batch, rtol=0, atol=0)


def test_images_of_different_shapes_are_not_stacked() -> None:
    rows = [{"pixel_values": torch.ones(1, 3, 4, 4)}, {"pixel_values": torch.ones(1, 3, 4, 5)}]
    with pytest.raises(InputError, match=r"images of different shapes\. crop them alike"):
        stacked(rows)


def test_images_with_different_tensors_are_not_stacked() -> None:
    with pytest.raises(InputError, match="images of different shapes"):
        stacked([noise(1), {"pixel_values": torch.ones(1, 3, 4, 4)}])


def test_all_of_a_few_images_are_read() -> None:
    files = [Path(f"{number:04}.png") for number in range(MOST)]
    assert sorted(drawn(files, 0, MOST)) == files
    assert drawn(files, 0, MOST) != files


def test_of_many_images_some_are_drawn() -> None:
    files = [Path(f"{number:04}.png") for number in range(3 * MOST)]
    found = drawn(files, 0, MOST)
    assert len(set(found)) == MOST
    assert set(found) <= set(files)
    assert max(found) > files[MOST]


def test_where_there_is_no_most_all_are_read() -> None:
    files = [Path(f"{number:04}.png") for number in range(3 * MOST)]
    assert sorted(drawn(files, 0, None)) == files


def test_the_seed_says_which_images_are_drawn() -> None:
    files = [Path(f"{number:04}.png") for number in range(3 * MOST)]
    assert drawn(files, 5, MOST) == drawn(files, 5, MOST)
    assert drawn(files, 5, MOST) != drawn(files, 6, MOST)


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": np.ones((4, 2)), "y": np.ones((3, 2))},
        {"x": np.ones((4, 2)), "y": np.float32(1)},
        {"x": np.float32(1)},
        {"x": np.ones((0, 2))},
        {},
    ],
    ids=["unequal", "scalar among rows", "scalar", "no rows", "no arrays"],
)
def test_arrays_without_equally_many_rows_are_refused(tmp_path: Path, arrays: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"arrays in .*a\.npz are not of equally many rows"):
        read_inputs([npz(tmp_path / "a.npz", **arrays)])


@pytest.mark.parametrize(
    "tensors",
    [{"x": torch.ones(4, 2), "y": torch.ones(3)}, {"x": torch.tensor(1.0)}, {}],
    ids=["unequal", "scalar", "no tensors"],
)
def test_tensors_without_equally_many_rows_are_refused(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"arrays in .*a\.safetensors are not of equally many rows"):
        read_inputs([tmp_path / "a.safetensors"])


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    file = npz(tmp_path / "a.npz", x=np.array([{"a": 1}, {"b": 2}], dtype=object))
    with pytest.raises(InputError, match=r"a\.npz cannot be read: .*write it anew, without pickled objects"):
        read_inputs([file])


@pytest.mark.parametrize(
    "array",
    [np.array(["one", "two"]), np.array(["2020-01-01"], dtype="datetime64[D]"), np.ones(2, dtype=[("a", "i4")])],
    ids=["words", "dates", "records"],
)
def test_arrays_that_are_no_numbers_are_refused(tmp_path: Path, array: object) -> None:
    with pytest.raises(InputError, match=r"a\.npz"):
        read_inputs([npz(tmp_path / "a.npz", x=array)])


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, kept: float) -> None:
    file = tmp_path / f"a{suffix}"
    if suffix == ".npz":
        npz(file, **noise(3))
    else:
        save_file(noise(3), file)
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError, match=rf"a{suffix} cannot be read"):
        read_inputs([file])


def test_a_compressed_file_that_is_damaged_is_refused(tmp_path: Path) -> None:
    content = bytearray(compressed())
    content[60:80] = b"\xff" * 20
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz cannot be read"):
        read_inputs([tmp_path / "a.npz"])


def test_one_array_under_the_name_of_several_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.npz").open("wb") as stream:
        np.save(stream, np.ones((3, 2)))
    with pytest.raises(InputError, match=r"a\.npz"):
        read_inputs([tmp_path / "a.npz"])


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for name in ("a.npz", "a.safetensors"):
        with pytest.raises(InputError, match=f"{name} cannot be read"):
            read_inputs([tmp_path / name])


def test_files_of_which_only_some_have_labels_are_refused(tmp_path: Path) -> None:
    files = [
        npz(tmp_path / "a.npz", x=np.ones((2, 3)), labels=np.array([0, 1])),
        npz(tmp_path / "b.npz", x=np.ones((2, 3))),
    ]
    with pytest.raises(
        InputError, match=r"b\.npz has no array labels, and other files have one\. label the rows of all"
    ):
        read_inputs(files)
