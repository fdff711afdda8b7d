"""`prunec eval` measures on images and on inputs from files as a plain loop over transformers' own model does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, Dinov2Model, ViTConfig, ViTForImageClassification

import prunec
from prunec import cli
from prunec.backends.onnx import OnnxBackend
from prunec.errors import InputError
from prunec.frontends.huggingface import load
from prunec.ir.program import Program
from tests.frontends.test_images import noise_image, tiny_dinov2, with_preprocessor

pytestmark = pytest.mark.usefixtures("settled")

SIZE, PICTURES = 32, 11
NAMES = ("cat", "dog", "horse")
PREPROCESSOR = {"image_processor_type": "ViTImageProcessor", "size": {"height": SIZE, "width": SIZE}}


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dinov2(tmp_path_factory.mktemp("dinov2") / "model")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random ViT on disk that tells three labels apart, with its preprocessor."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vit") / "model"
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=SIZE,
        patch_size=8,
        initializer_range=0.5,
        id2label=dict(enumerate(NAMES)),
        label2id={name: place for place, name in enumerate(NAMES)},
    )
    ViTForImageClassification(config).save_pretrained(folder)
    return with_preprocessor(folder, PREPROCESSOR)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of noise in a folder for each label, so that a random model has some right and some wrong."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(PICTURES):
        place = folder / NAMES[number % len(NAMES)]
        place.mkdir(exist_ok=True)
        noise_image(place / f"{number:02}.png", 40 + number, 40)
    return folder


def emitted(model: Path, place: Path, noise: float = 0.0) -> Path:
    """The model in a folder as an artifact, with noise on its weights."""
    OnnxBackend().emit(noisy(load(model).program, noise), place)
    return place


def noisy(program: Program, noise: float) -> Program:
    for tensor in program.tensors().values():
        if tensor.is_floating_point():
            tensor.data += noise * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(1))
    return program


def seen(model: Path, pictures: Path) -> dict[Path, torch.Tensor]:
    """Each picture as the model's preprocessor makes it."""
    processor = AutoImageProcessor.from_pretrained(model, backend="pil")
    files = sorted(pictures.rglob("*.png"))
    return {file: processor(Image.open(file), return_tensors="pt")["pixel_values"] for file in files}


def test_the_accuracy_on_images_in_folders_of_their_labels(classifier: Path, pictures: Path, tmp_path: Path) -> None:
    artifact = emitted(classifier, tmp_path / "model.onnx")
    found = prunec.evaluate(artifact, pictures, model=classifier, threads=1)
    model = ViTForImageClassification.from_pretrained(classifier)
    with torch.no_grad():
        hits = sum(
            NAMES[int(model(pixel_values=pixels).logits.argmax())] == file.parent.name
            for file, pixels in seen(classifier, pictures).items()
        )
    (row,) = found.rows
    assert 0 < hits < PICTURES
    assert (row.items, row.artifact, row.dense) == (PICTURES, hits / PICTURES, hits / PICTURES)
    assert (found.metric, found.sequence, row.text) == ("accuracy", None, str(pictures))
    assert row.artifact_range[0] < row.artifact < row.artifact_range[1]
    assert row.damage == pytest.approx(0, abs=1e-6)


def test_a_compile_on_labelled_images_reports_accuracy(classifier: Path, pictures: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"recover": "none", "no_rival": True, "threads": 1, "cache": tmp_path / "cache"}
    result = prunec.compile(classifier, tmp_path / "slim.onnx", budget_params="14k", calibration=pictures, **options)
    assert isinstance(result, prunec.CompileResult)
    assert result.report.loss is not None
    (loss,) = result.report.loss.texts
    assert loss.metric == "accuracy"
    assert 0 <= loss.slim <= 1


def test_images_without_labels_are_compared_with_the_dense_model(dinov2: Path, pictures: Path, tmp_path: Path) -> None:
    (row,) = prunec.evaluate(emitted(dinov2, tmp_path / "a.onnx", 0.05), pictures, model=dinov2, threads=1).rows
    dense, other = Dinov2Model.from_pretrained(dinov2), noisy(load(dinov2).program, 0.05)
    cosines = []
    for pixels in seen(dinov2, pictures).values():
        with torch.no_grad():
            before = dense(pixel_values=pixels).last_hidden_state.mean(1)
            after = other({"pixel_values": pixels})["last_hidden_state"].mean(1)
        cosines.append(float(torch.cosine_similarity(before, after)))
    assert row.items == PICTURES
    assert row.artifact == pytest.approx(np.mean(cosines), abs=1e-5)
    assert row.artifact < 0.999
    assert row.dense == pytest.approx(1, abs=1e-6)


def test_inputs_from_a_file_with_their_labels(classifier: Path, pictures: Path, tmp_path: Path) -> None:
    inputs = seen(classifier, pictures)
    labels = np.array([NAMES.index(file.parent.name) for file in inputs])
    np.savez(tmp_path / "inputs.npz", pixel_values=torch.cat(list(inputs.values())).numpy(), labels=labels)
    artifact = emitted(classifier, tmp_path / "model.onnx", 0.2)
    given = prunec.evaluate(artifact, tmp_path / "inputs.npz", model=classifier, threads=1).rows[0]
    read = prunec.evaluate(artifact, pictures, model=classifier, threads=1).rows[0]
    assert (given.artifact, given.dense, given.items) == (read.artifact, read.dense, read.items)


def test_an_artifact_of_so_many_rows_reads_whole_batches(dinov2: Path, pictures: Path, tmp_path: Path) -> None:
    artifact = emitted(dinov2, tmp_path / "a.onnx")
    model = onnx.load(artifact)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3
    onnx.save(model, artifact)
    (row,) = prunec.evaluate(artifact, pictures, model=dinov2, threads=1).rows
    assert row.items == 9
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = PICTURES + 1
    onnx.save(model, artifact)
    with pytest.raises(InputError, match=rf"fewer than the {PICTURES + 1} rows that a\.onnx takes"):
        prunec.evaluate(artifact, pictures, model=dinov2, threads=1)


def test_the_command_prints_a_line_for_images(
    dinov2: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = emitted(dinov2, tmp_path / "a.onnx")
    words = ["eval", str(artifact), "--model", str(dinov2), "--data", str(pictures), "--threads", "1", "--quiet"]
    assert cli.main(words) == 0
    printed = capsys.readouterr().out
    assert "1.0000" in printed
    assert "tokens at most" not in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"how to read what is no text for what a\.onnx takes\. give --model"),
        ({"model": True, "tokens": 100}, r"--tokens counts tokens of text, and .* is none\. leave it out"),
    ],
)
def test_what_does_not_go_with_images_is_refused(
    options: dict[str, Any], message: str, dinov2: Path, pictures: Path, tmp_path: Path
) -> None:
    artifact = emitted(dinov2, tmp_path / "a.onnx")
    given = {**options, "model": dinov2} if options else {}
    with pytest.raises(InputError, match=message):
        prunec.evaluate(artifact, pictures, threads=1, **given)


def test_an_artifact_that_takes_something_else_is_refused(dinov2: Path, pictures: Path, tmp_path: Path) -> None:
    artifact = emitted(dinov2, tmp_path / "a.onnx")
    model = onnx.load(artifact)
    model.graph.input[0].name = "images"
    for node in model.graph.node:
        node.input[:] = ["images" if name == "pixel_values" else name for name in node.input]
    onnx.save(model, artifact)
    with pytest.raises(InputError, match=r"takes images, and there are pixel_values\. give all of its inputs"):
        prunec.evaluate(artifact, pictures, model=dinov2, threads=1)
