"""Reports of older schemas, as JSON data that today's reader understands: what they did not know is left unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Plain = dict[str, Any]


def _from_2(plain: Plain) -> Plain:
    """Schema 2 said nothing of the latency and of the scores of a layer."""
    unknown: Plain = {"dense_ms": None, "slim_ms": None, "kept_scores": [], "removed_scores": []}
    return {**plain, "schema": 3, "layers": [{**unknown, **layer} for layer in plain["layers"]]}


UPGRADES: Mapping[int, Callable[[Plain], Plain]] = {2: _from_2}
"""By the older schema."""
