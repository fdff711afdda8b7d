"""Real pictures: square crops of the photographs in scikit-image's package, some to calibrate on and some to evaluate.

Its drawings, texts and test patterns are left out, and so are the moon and the motorcycle, of which it names no terms.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from tools.archives import SKIMAGE, read_member

if TYPE_CHECKING:
    from PIL.Image import Image

PARTS = {
    "calib": (
        "astronaut.png", "brick.png", "camera.png", "cell.png", "clock_motion.png", "coins.png", "grass.png",
        "gravel.png", "hubble_deep_field.jpg", "ihc.png", "microaneurysms.png", "retina.jpg",
    ),
    "eval": ("chelsea.png", "coffee.png", "rocket.jpg"),
}  # fmt: skip
CROPS, SIZE = 12, 256


def pictures(folder: Path, work: Path) -> None:
    """Photographs, some through a microscope or telescope (public domain, CC0, no known copyright), cut into crops."""
    from PIL import Image

    archive = SKIMAGE.download(work)
    for part, files in PARTS.items():
        (folder / part).mkdir()
        for file in files:
            with Image.open(BytesIO(read_member(archive, f"skimage/data/{file}"))) as image:
                name = Path(file).stem
                for index, crop in enumerate(crops(image, name)):
                    crop.save(folder / part / f"{name}-{index:02}.png")


def crops(image: Image, name: str) -> Iterator[Image]:
    """Squares of half to all of the shorter side, at random places that `name` alone decides, all made one size."""
    draw, colours = random.Random(name), image.convert("RGB")
    shorter = min(colours.size)
    for _ in range(CROPS):
        side = draw.randint((shorter + 1) // 2, shorter)
        left, top = (draw.randint(0, length - side) for length in colours.size)
        yield colours.resize((SIZE, SIZE), box=(left, top, left + side, top + side))
