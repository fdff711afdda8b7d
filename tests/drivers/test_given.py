"""What `--calibration` names is told apart, read as far as it can be, and compiled on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import prunec
from prunec.calibration.inputs import MOST
from prunec.drivers.given import ROWS, Given
from prunec.errors import InputError
from prunec.frontends.huggingface import load
from prunec.frontends.loaded import Loaded
from prunec.frontends.module import trace
from prunec.options import NO_BUDGET, Options
from tests.frontends.test_images import CROP, noise_image, tiny_dinov2

SEQUENCE = 16
BUDGET = 28_000


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dinov2(tmp_path_factory.mktemp("dinov2") / "model")


@pytest.fixture(scope="module")
def loaded(dinov2: Path) -> Loaded:
    return load(dinov2)


def photos(folder: Path, count: int = 10) -> Path:
    """A folder of images of noise, of as many sizes."""
    folder.mkdir()
    for number in range(count):
        noise_image(folder / f"{number:03}.png", 30 + number, 45)
    return folder


def inputs(path: Path, rows: int = 10) -> Path:
    """A file of what the tiny DINOv2 takes."""
    np.savez(path, pixel_values=torch.randn(rows, 3, CROP, CROP).numpy())
    return path


def read(calibration: Path | Mapping[str, Path], batches: Sequence[Mapping[str, Tensor]] | None = None) -> Given:
    return Given.read(Options(NO_BUDGET, calibration=calibration, seed=3), batches)


def rows(batches: Sequence[Mapping[str, Tensor]] | None) -> list[int]:
    """How many rows each batch has."""
    return [len(next(iter(batch.values()))) for batch in batches or ()]


def test_where_nothing_is_named_there_is_nothing() -> None:
    assert Given.read(Options(NO_BUDGET), None) == Given()


def test_a_folder_of_images(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 3)
    found = read(folder)
    assert found.images == (folder / "000.png", folder / "001.png", folder / "002.png")
    assert (found.origin, found.seed) == (str(folder), 3)
    assert (found.batches, dict(found.texts), found.has_labels) == (None, {}, False)


def test_images_of_every_kind_count_in_folders_of_folders_too(tmp_path: Path) -> None:
    names = ["a.PNG", "b.jpeg", "cats/c.webp", "cats/tabby/d.bmp", "e.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        noise_image(tmp_path / name, 20, 20)
    assert read(tmp_path).images == tuple(tmp_path / name for name in names)


def test_one_image(tmp_path: Path) -> None:
    file = noise_image(tmp_path / "a.jpg", 20, 20)
    assert read(file).images == (file,)


def test_a_folder_of_images_may_say_what_they_are(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    (folder / "README.md").write_text("Photos of noise.")
    found = read(folder)
    assert len(found.images) == 10
    assert not found.texts


def test_a_file_of_inputs(tmp_path: Path) -> None:
    file = inputs(tmp_path / "inputs.npz")
    found = read(file)
    assert found.batches is not None
    assert [{name: value.shape for name, value in batch.items()} for batch in found.batches] == [
        {"pixel_values": (10, 3, CROP, CROP)}
    ]
    assert (found.origin, found.images, dict(found.texts)) == (str(file), (), {})


def test_a_folder_of_inputs(tmp_path: Path) -> None:
    inputs(tmp_path / "b.npz", 2)
    save_file({"pixel_values": torch.ones(3, 3, CROP, CROP)}, tmp_path / "a.safetensors")
    found = read(tmp_path)
    assert rows(found.batches) == [3, 2]
    assert found.origin == str(tmp_path)


def test_a_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A text.")
    found = read(tmp_path / "a.txt")
    assert (found.texts[""].documents, found.texts[""].description) == (["A text."], str(tmp_path / "a.txt"))
    assert (found.batches, found.images, found.origin) == (None, (), "")


def test_several_texts_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A text.")
    (tmp_path / "b.jsonl").write_text('{"text": "Another.", "label": 1}\n')
    found = read({"one": tmp_path / "a.txt", "two": tmp_path / "b.jsonl"})
    assert {name: text.documents for name, text in found.texts.items()} == {"one": ["A text."], "two": ["Another."]}


def test_one_text_with_labels_has_labels(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "A text.", "label": 1}\n')
    assert read(tmp_path / "a.jsonl").has_labels


@pytest.mark.parametrize("name", ["data.csv", ""])
def test_what_nothing_can_be_made_of_is_refused_and_every_kind_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "data.csv").write_text("1,2\n")
    kinds = r"images \(\.png, \.jpg, .*\); inputs \(\.npz, \.safetensors\); text \(\.txt, .*\), or a directory of one"
    with pytest.raises(InputError, match=rf"{name} is or holds nothing that can be read\. give {kinds}"):
        read(tmp_path / name)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"photos does not exist"):
        read(tmp_path / "photos")


@pytest.mark.parametrize(("make", "name"), [(photos, "photos"), (inputs, "inputs.npz")])
def test_several_of_which_one_is_no_text_are_refused(tmp_path: Path, make: Callable[[Path], Path], name: str) -> None:
    (tmp_path / "a.txt").write_text("A text.")
    with pytest.raises(InputError, match=rf"{name} is no text, and several are given\. give one folder of it"):
        read({"text": tmp_path / "a.txt", "other": make(tmp_path / name)})


def test_one_that_is_no_text_may_have_a_name(tmp_path: Path) -> None:
    assert rows(read({"mine": inputs(tmp_path / "a.npz")}).batches) == [10]


def test_images_are_read_as_the_model_takes_them(tmp_path: Path, loaded: Loaded) -> None:
    folder = photos(tmp_path / "photos")
    source = read(folder).source(loaded, SEQUENCE)
    assert source.origin == str(folder)
    assert rows(source.batches) == [ROWS, ROWS, 10 - 2 * ROWS]
    assert source.batches is not None
    assert all(batch["pixel_values"].shape[1:] == (3, CROP, CROP) for batch in source.batches)
    source.check()


def test_of_many_images_some_are_read_as_the_seed_says(loaded: Loaded) -> None:
    files = tuple(Path(f"{number:04}.png") for number in range(2 * MOST))

    def asked(seed: int) -> list[Path]:
        paths: list[Path] = []

        def note(some: Sequence[Path]) -> list[Mapping[str, Tensor]]:
            paths.extend(some)
            return [{"pixel_values": torch.zeros(1, 3, CROP, CROP)}] * len(some)

        Given(images=files, origin="photos", seed=seed).source(replace(loaded, images=note), SEQUENCE)
        return paths

    assert len(set(asked(1))) == MOST
    assert asked(1) == asked(1) != asked(2)


def test_images_of_another_size_are_refused(loaded: Loaded) -> None:
    given = Given(batches=[{"pixel_values": torch.zeros(8, 3, CROP, CROP + 14)}], origin="a.npz")
    with pytest.raises(InputError, match=rf"pixel_values in a\.npz is \[4, 3, {CROP}, {CROP + 14}\], and the model is"):
        given.source(loaded, SEQUENCE)


def test_inputs_that_are_not_all_there_are_refused(loaded: Loaded) -> None:
    given = Given(batches=[{"pixels": torch.zeros(8, 3, CROP, CROP)}], origin="a.npz")
    with pytest.raises(InputError, match=r"a\.npz has no pixel_values\. give pixel_values"):
        given.source(loaded, SEQUENCE)


def test_numbers_get_the_types_that_the_model_takes(loaded: Loaded) -> None:
    given = Given(batches=[{"pixel_values": torch.zeros(8, 3, CROP, CROP, dtype=torch.float64)}], origin="a.npz")
    found = given.source(loaded, SEQUENCE).batches
    assert found is not None
    assert {batch["pixel_values"].dtype for batch in found} == {torch.float32}


def test_a_folder_with_as_many_captions_as_images_holds_images(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    for image in list(folder.iterdir()):
        image.with_suffix(".txt").write_text("A picture.")
    assert read(folder).images


def test_images_for_a_model_without_a_preprocessor_are_refused(tmp_path: Path, loaded: Loaded) -> None:
    given = read(photos(tmp_path / "photos"))
    with pytest.raises(InputError, match=r"photos holds images, and the model has no preprocessor for images\. put"):
        given.source(replace(loaded, images=None), SEQUENCE)


def test_inputs_from_a_file_are_cut_into_small_batches(tmp_path: Path, loaded: Loaded) -> None:
    source = read(inputs(tmp_path / "a.npz")).source(loaded, SEQUENCE)
    assert rows(source.batches) == [ROWS, ROWS, 10 - 2 * ROWS]
    source.check()


def test_batches_from_python_stay_as_they_are(loaded: Loaded) -> None:
    batches = [{"pixel_values": torch.ones(9, 3, CROP, CROP)}] * 3
    source = Given.read(Options(NO_BUDGET), batches).source(loaded, SEQUENCE)
    assert source.batches is batches
    assert source.origin == ""


class Pairs(nn.Module):
    """Takes two rows, neither more nor fewer."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(2, 2, 4).transpose(0, 1).reshape(2, 8) + x


@pytest.mark.parametrize("count", [8, 9])
def test_inputs_for_a_model_that_fixes_its_rows_have_as_many(tmp_path: Path, count: int) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones((count, 8), dtype=np.float32))
    loaded = trace(Pairs(), {"x": torch.ones(2, 8)})
    assert rows(read(tmp_path / "a.npz").source(loaded, SEQUENCE).batches) == [2] * 4


@pytest.mark.parametrize(("make", "name"), [(photos, "photos"), (inputs, "inputs.npz")])
def test_a_vision_model_is_compiled_on_images_and_on_its_inputs(
    make: Callable[[Path, int], Path], name: str, dinov2: Path, tmp_path: Path
) -> None:
    data, output = make(tmp_path / name, 16), tmp_path / "slim.onnx"
    options: dict[str, Any] = {"recover": "none", "no_rival": True, "threads": 1, "cache": tmp_path / "cache"}
    result = prunec.compile(dinov2, output, budget_params=BUDGET, calibration=data, **options)
    assert result.artifact == output
    assert output.is_file()
    assert result.report.budget.held
    assert result.program.parameter_count() <= BUDGET
    assert result.report.data is not None
    assert (result.report.data.description, result.report.data.is_default) == (str(data), False)
    raw = json.loads((tmp_path / "slim.report.json").read_text())
    assert raw["data"]["description"] == str(data)
    assert raw["workload"]["text"] == "encode:1"
    assert f"--calibration {data}" in raw["command"]


def test_a_model_is_traced_at_the_size_of_its_inputs(dinov2: Path, tmp_path: Path) -> None:
    wide, data, output = CROP + 14, tmp_path / "wide.npz", tmp_path / "slim.onnx"
    np.savez(data, pixel_values=torch.randn(16, 3, CROP, wide).numpy())
    options: dict[str, Any] = {"recover": "none", "no_rival": True, "threads": 1, "cache": tmp_path / "cache"}
    result = prunec.compile(dinov2, output, budget_params=BUDGET, calibration=data, **options)
    assert result.program.example["pixel_values"].shape[1:] == (3, CROP, wide)
    assert prunec.evaluate(output, data, model=dinov2, threads=1).rows[0].damage is not None


def test_a_checkpoint_is_traced_at_the_size_of_what_it_was_made_on(dinov2: Path, tmp_path: Path) -> None:
    wide, data, folder = CROP + 14, tmp_path / "wide.npz", tmp_path / "slim"
    np.savez(data, pixel_values=torch.randn(16, 3, CROP, wide).numpy())
    options: dict[str, Any] = {"recover": "none", "no_rival": True, "threads": 1, "cache": tmp_path / "cache"}
    result = prunec.compile(dinov2, folder, emit="hf", budget_params=BUDGET, calibration=data, **options)
    again = load(folder).program
    example = again.example
    assert example["pixel_values"].shape[1:] == (3, CROP, wide)
    with torch.no_grad():
        found, expected = (program(example)["last_hidden_state"] for program in (again, result.program))
    torch.testing.assert_close(found, expected)


def test_a_vision_model_without_calibration_is_refused_before_any_pass(
    dinov2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prunec.drivers.job.run_pipeline", lambda *words, **more: pytest.fail("passes ran"))
    with pytest.raises(InputError, match=r"no tokenizer, so .* give --calibration with images or with its inputs as"):
        prunec.compile(dinov2, tmp_path / "slim.onnx", budget_params=BUDGET, recover="none", threads=1)
    assert not list(tmp_path.iterdir())


def test_a_vision_model_with_text_is_refused_before_any_pass(
    dinov2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prunec.drivers.job.run_pipeline", lambda *words, **more: pytest.fail("passes ran"))
    (tmp_path / "a.txt").write_text("A text.")
    with pytest.raises(InputError, match=r"no tokenizer, so .* give --calibration with images"):
        prunec.compile(dinov2, budget_params=BUDGET, recover="none", threads=1, calibration=tmp_path / "a.txt")
