"""Images become a model's inputs as its preprocessor makes them, and the model is traced at their size."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Dinov2Config, Dinov2Model, PreTrainedModel, ViTConfig, ViTModel

from prunec.errors import InputError
from prunec.frontends.huggingface import load
from prunec.frontends.images import image_reader, image_size
from prunec.frontends.loaded import ImageReader

CROP = 28
CROPPING = {
    "image_processor_type": "BitImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": 32},
    "do_center_crop": True,
    "crop_size": {"height": CROP, "width": CROP},
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
STRETCHING = {"image_processor_type": "ViTImageProcessor", "size": {"height": 24, "width": 32}}
"""To a mean and a deviation of one half, which are this class's own."""


def with_preprocessor(folder: Path, settings: object) -> Path:
    """`folder`, with a preprocessor of `settings`."""
    folder.mkdir(exist_ok=True)
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def tiny_dinov2(folder: Path) -> Path:
    """A random DINOv2 on disk for images of 42 pixels, with a preprocessor that crops to `CROP`.

    2 layers, 2 heads of 16, an FFN of 64: 36,512 parameters.
    """
    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=42, patch_size=14
    )
    Dinov2Model(config).save_pretrained(folder)
    return with_preprocessor(folder, CROPPING)


def tiny_vit(folder: Path) -> Path:
    """A random ViT on disk, which takes images of 32 pixels and no others, with a preprocessor that makes others."""
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
        image_size=32,
        patch_size=16,
    )
    ViTModel(config).save_pretrained(folder)
    return with_preprocessor(folder, STRETCHING)


def noise_image(path: Path, height: int, width: int, mode: str = "RGB") -> Path:
    """An image of noise, the same for the same name."""
    draw = np.random.default_rng(list(path.name.encode()))
    image = Image.fromarray(draw.integers(0, 256, (height, width, 3), dtype=np.uint8))
    image.convert(mode).save(path)
    return path


def plain_image(path: Path, colour: str, mode: str = "RGB") -> Path:
    """An image of one colour."""
    Image.new("RGB", (40, 50), colour).convert(mode).save(path)
    return path


def reader(folder: Path, settings: object = STRETCHING) -> ImageReader:
    """What reads images as a preprocessor of `settings` in `folder` does."""
    found = image_reader(with_preprocessor(folder, settings))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({"do_center_crop": True, "crop_size": {"height": 24, "width": 32}, "size": {"shortest_edge": 40}}, (24, 32)),
        ({"do_center_crop": True, "crop_size": 24, "size": 40}, (24, 24)),
        ({"do_center_crop": True, "size": {"height": 16, "width": 48}}, (16, 48)),
        ({"do_center_crop": False, "crop_size": 24, "size": {"height": 16, "width": 48}}, (16, 48)),
        ({"size": {"height": 16, "width": 48}}, (16, 48)),
        ({"size": 40}, (40, 40)),
    ],
)
def test_a_preprocessor_says_how_large_images_are(tmp_path: Path, settings: object, size: tuple[int, int]) -> None:
    assert image_size(with_preprocessor(tmp_path, settings)) == size


@pytest.mark.parametrize(
    "settings",
    [
        {"size": {"shortest_edge": 40}},
        {"do_center_crop": False, "crop_size": 24, "size": {"shortest_edge": 40}},
        {"size": {"height": 40}},
        {"size": {"height": 0, "width": 40}},
        {"size": {"height": "40", "width": "40"}},
        {"size": [40, 40]},
        {"feature_size": 80},
        {},
        [],
    ],
)
def test_a_preprocessor_may_not_say_how_large_images_are(tmp_path: Path, settings: object) -> None:
    assert image_size(with_preprocessor(tmp_path, settings)) is None


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe"])
def test_without_a_readable_preprocessor_there_is_no_size_and_no_reader(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "preprocessor_config.json").write_bytes(content)
    assert image_size(tmp_path) is None
    assert image_reader(tmp_path) is None


@pytest.mark.parametrize(
    "settings",
    [
        {"feature_extractor_type": "WhisperFeatureExtractor", "processor_class": "WhisperProcessor"},
        {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "feature_size": 1},
    ],
)
def test_a_preprocessor_of_sounds_reads_no_images(tmp_path: Path, settings: object) -> None:
    read = image_reader(with_preprocessor(tmp_path, settings))
    assert read is not None
    with pytest.raises(InputError, match="cannot be used"):
        read([noise_image(tmp_path / "a.png", 4, 4, "RGB")])


def test_a_processor_of_several_kinds_of_input_counts_for_images(tmp_path: Path) -> None:
    found = {"image_processor": {"image_processor_type": "ViTImageProcessor", "size": {"height": 24, "width": 32}}}
    (tmp_path / "processor_config.json").write_text(json.dumps(found))
    assert image_size(tmp_path) == (24, 32)
    assert image_reader(tmp_path) is not None


def test_a_model_of_text_has_no_reader_of_images(tmp_path: Path, tiny_bert_dir: Path) -> None:
    folder = with_preprocessor(Path(shutil.copytree(tiny_bert_dir, tmp_path / "model")), {"size": 24})
    assert load(folder).images is None


def test_each_image_is_a_batch_of_one_row_whatever_its_size_and_mode(tmp_path: Path) -> None:
    shapes = [(40, 50, "RGB"), (20, 30, "L"), (33, 21, "P"), (3, 40, "RGBA"), (1, 1, "1")]
    files = [noise_image(tmp_path / f"{mode}.png", height, width, mode) for height, width, mode in shapes]
    batches = reader(tmp_path)(files)
    assert [{name: tuple(value.shape) for name, value in batch.items()} for batch in batches] == [
        {"pixel_values": (1, 3, 24, 32)}
    ] * len(files)
    assert all(batch["pixel_values"].dtype == torch.float32 for batch in batches)


def test_images_come_in_the_order_of_their_files_and_as_the_preprocessor_scales_them(tmp_path: Path) -> None:
    files = [
        plain_image(tmp_path / "red.png", "red", "P"),
        plain_image(tmp_path / "white.jpg", "white", "L"),
        plain_image(tmp_path / "blue.png", "blue"),
    ]
    means = [batch["pixel_values"].mean((2, 3)) for batch in reader(tmp_path)(files)]
    wanted = torch.tensor([[1.0, -1.0, -1.0], [1.0, 1.0, 1.0], [-1.0, -1.0, 1.0]])
    torch.testing.assert_close(torch.cat(means), wanted, rtol=0, atol=1e-5)


def test_images_are_cropped_where_the_preprocessor_says_so(tmp_path: Path) -> None:
    (batch,) = reader(tmp_path, CROPPING)([noise_image(tmp_path / "wide.webp", 30, 90)])
    assert batch["pixel_values"].shape == (1, 3, CROP, CROP)


def test_reading_images_is_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    reader(tmp_path)([noise_image(tmp_path / "a.bmp", 20, 30)])
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


@pytest.mark.parametrize("content", [b"", b"no image at all\n" * 40])
def test_a_file_that_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    good, bad = noise_image(tmp_path / "good.png", 20, 30), tmp_path / "bad.png"
    bad.write_bytes(content)
    with pytest.raises(InputError, match=r"the image .*bad\.png cannot be read: .*mend or remove it") as caught:
        reader(tmp_path)([good, bad])
    assert "\n" not in str(caught.value)


def test_a_truncated_image_is_refused(tmp_path: Path) -> None:
    file = noise_image(tmp_path / "cut.png", 60, 60)
    file.write_bytes(file.read_bytes()[:4000])
    with pytest.raises(InputError, match=r"the image .*cut\.png cannot be read"):
        reader(tmp_path)([file])


def test_an_image_with_a_broken_part_is_refused(tmp_path: Path) -> None:
    file = noise_image(tmp_path / "broken.png", 200, 200)
    content = bytearray(file.read_bytes())
    place = content.rindex(b"IDAT")
    content[place : place + 4] = bytes(4)
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"the image .*broken\.png cannot be read"):
        reader(tmp_path)([file])


@pytest.mark.parametrize(
    "settings", [{"image_processor_type": "NonsenseProcessor"}, {**STRETCHING, "size": {"depth": 1}}]
)
def test_a_broken_preprocessor_is_refused(tmp_path: Path, settings: object) -> None:
    file = noise_image(tmp_path / "a.png", 20, 30)
    with pytest.raises(InputError, match=r"the preprocessor in .* cannot be used: ") as caught:
        reader(tmp_path, settings)([file])
    assert "\n" not in str(caught.value)


def test_without_pillow_images_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = noise_image(tmp_path / "a.png", 20, 30)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(InputError, match=r"needs Pillow\. pip install 'prunec\[vision\]'"):
        reader(tmp_path)([file])


def assert_equal_to_eager(folder: Path, model: PreTrainedModel, size: tuple[int, int]) -> None:
    """The program in `folder` is traced at `size`, for any number of images, and computes what `model` does."""
    program = load(folder).program
    assert program.example["pixel_values"].shape[1:] == (3, *size)
    images = torch.randn(3, 3, *size)
    with torch.no_grad():
        expected = model.eval()(pixel_values=images).last_hidden_state
        found = program({"pixel_values": images})["last_hidden_state"]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_a_model_is_traced_at_the_size_of_its_preprocessor(tmp_path: Path) -> None:
    folder = tiny_dinov2(tmp_path / "model")
    assert_equal_to_eager(folder, Dinov2Model.from_pretrained(folder), (CROP, CROP))


def test_a_model_that_refuses_that_size_is_traced_at_that_of_its_config(tmp_path: Path) -> None:
    folder = tiny_vit(tmp_path / "model")
    assert_equal_to_eager(folder, ViTModel.from_pretrained(folder), (32, 32))


def test_a_model_without_a_preprocessor_is_traced_at_the_size_of_its_config(tmp_path: Path) -> None:
    folder = tiny_dinov2(tmp_path / "model")
    (folder / "preprocessor_config.json").unlink()
    loaded = load(folder)
    assert loaded.program.example["pixel_values"].shape == (2, 3, 42, 42)
    assert loaded.images is None


def test_a_loaded_model_reads_images_as_it_takes_them(tmp_path: Path) -> None:
    loaded = load(tiny_dinov2(tmp_path / "model"))
    assert loaded.images is not None
    (batch,) = loaded.images([noise_image(tmp_path / "a.png", 40, 50)])
    with torch.no_grad():
        assert loaded.program(batch)["last_hidden_state"].shape == (1, 5, 32)
