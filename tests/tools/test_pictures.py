"""Pictures cut into crops: as many and as large as said, the same every time, and none in both parts."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools import pictures
from tools.archives import Archive
from tools.pictures import CROPS, PARTS, SIZE, crops


@pytest.fixture
def picture() -> Image.Image:
    """80 by 60, with its place in the colour of each point: red from left to right, green from top to bottom."""
    left, top = np.arange(80) * 3, np.arange(60) * 4
    red, green = np.broadcast_arrays(left[None, :], top[:, None])
    return Image.fromarray(np.stack([red, green, np.zeros_like(red)], axis=-1).astype(np.uint8))


def covered(crop: Image.Image) -> tuple[float, float]:
    """How much of `picture` a crop shows from left to right and from top to bottom, in its points."""
    colours = np.asarray(crop, dtype=float)
    spans = np.ptp(colours, axis=(0, 1))
    return spans[0] / 3, spans[1] / 4


def test_crops_are_squares_of_half_to_all_of_the_shorter_side(picture: Image.Image) -> None:
    found = list(crops(picture, "a"))
    assert [crop.size for crop in found] == [(SIZE, SIZE)] * CROPS
    for across, down in map(covered, found):
        assert 28 <= down <= 60
        assert across == pytest.approx(down, abs=2)


def test_the_name_of_a_picture_decides_its_crops(picture: Image.Image) -> None:
    one, again, other = ([crop.tobytes() for crop in crops(picture, name)] for name in ("a", "a", "b"))
    assert one == again
    assert len(set(one) | set(other)) == 2 * CROPS


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_grey_pictures_and_those_with_transparency_become_coloured(picture: Image.Image, mode: str) -> None:
    assert {crop.mode for crop in crops(picture.convert(mode), "a")} == {"RGB"}


def test_no_picture_is_in_both_parts() -> None:
    calibration, evaluation = ({Path(file).stem for file in PARTS[part]} for part in ("calib", "eval"))
    assert not calibration & evaluation


def test_each_part_is_a_folder_of_crops_by_name(
    picture: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = BytesIO()
    picture.save(stored, "PNG")
    wheel, folder = tmp_path / "s.whl", tmp_path / "pictures"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in ("a.png", "b.png", "c.png"):
            archive.writestr(f"skimage/data/{file}", stored.getvalue())
    monkeypatch.setattr(Archive, "download", lambda _archive, _folder: wheel)
    monkeypatch.setattr(pictures, "PARTS", {"calib": ("a.png",), "eval": ("c.png",)})
    folder.mkdir()
    pictures.pictures(folder, tmp_path)
    expected = {f"{name}-{index:02}.png" for name in ("calib/a", "eval/c") for index in range(CROPS)}
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")} == expected
    with Image.open(folder / "eval" / "c-00.png") as crop:
        assert crop.size == (SIZE, SIZE)
