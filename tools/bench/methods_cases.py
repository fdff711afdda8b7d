"""The published methods, each as the options of a compile that come nearest to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Method:
    """What a compile is told.

    Attributes:
        options: fields of `prunec.options.Options`.
        source: whose it is, and where that is not what they published, beside the budget, which is a measured latency.
        published: whether it is somebody else's.
    """

    options: Mapping[str, Any]
    source: str = ""
    published: bool = True


def scored(importance: str, search: str, recover: str = "none") -> dict[str, str]:
    """The options of a method that scores units."""
    return {"importance": importance, "search": search, "recover": recover}


METHODS = {
    "random": Method(scored("random", "uniform"), "the control"),
    "magnitude": Method(scored("magnitude", "uniform"), "Li et al. 2017: the norm is over all weights of a unit"),
    "wanda-sp": Method(scored("wanda", "uniform"), "An et al. 2024: all layers are scored on the dense model"),
    "llm-pruner": Method(
        scored("taylor", "uniform"),
        "Ma et al. 2023: the vectorised first-order score; first and last layers are cut too, no LoRA follows",
    ),
    "flap": Method(
        scored("flap-standard", "ranked", "bias"), "An et al. 2024: the bias mends what earlier layers lost too"
    ),
    "kwon": Method(
        scored("fisher", "summed", "rescale"),
        "Kwon et al. 2022: solved exactly, not rearranged inside layers, rescaled towards the dense model",
    ),
    "sleb": Method(
        {"search": "greedy-loss", "recover": "none"},
        "Song et al. 2024: by the distance to the dense model; all blocks can go",
    ),
    "shortgpt": Method({"search": "layer-influence", "recover": "none"}, "Men et al. 2024"),
    "sprint": Method(
        {"search": "sublayer", "recover": "lsq"},
        "Park et al. 2025: damped re-fits towards the dense model; true damage decides among the best",
    ),
    "prunec-lsq": Method({"recover": "lsq"}, published=False),
    "prunec": Method({}, published=False),
    "prunec-path": Method({"search": "path"}, "after differential inclusions: one order of all units", published=False),
    "prunec-surrogate": Method({"search": "surrogate"}, "a regression on plans that were measured", published=False),
    "prunec-effort2": Method({"effort": 2}, "whole plans are measured, too", published=False),
    "prunec-1min": Method({"distill_minutes": 1.0}, published=False),
    "prunec-4min": Method({"distill_minutes": 4.0}, published=False),
    "prunec-17min": Method(
        {"distill_minutes": 17.0}, "as long as sprint takes in all for SmolLM2-135M at 1.5x", published=False
    ),
}
