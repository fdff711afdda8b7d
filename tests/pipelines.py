"""The text of the default pipeline for options given as keywords."""

from __future__ import annotations

from typing import Any

from prunec.drivers.default_pipeline import default_pipeline
from prunec.options import NO_BUDGET, Options


def usual(*, text_given: bool = False, **options: Any) -> str:
    """The default pipeline where `options` are given, and no budget."""
    return default_pipeline(Options(NO_BUDGET, **options), text_given=text_given)
