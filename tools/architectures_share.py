"""The share of cases with attention and feed-forward blocks in which every kind of part is found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.zoo.judge import Judgement

WANTED = {"heads": ("head", "kv_group"), "neurons": ("neuron", "channel")}
"""What is wanted of families, by the kinds that will do."""


@dataclass(frozen=True)
class Share:
    """Cases by what was found in them.

    Attributes:
        both: those that hold at least one attention and one feed-forward.
        neither: those that lack one of the two, or were not traced far enough to tell.
        by_kind: of `both`, those with heads or KV groups, neurons or channels, and sublayers, where the golden rule
            held for every plan.
        everywhere: of these, those with units and a sublayer in every place.
    """

    both: tuple[Judgement, ...]
    neither: tuple[Judgement, ...]
    by_kind: tuple[Judgement, ...]
    everywhere: tuple[Judgement, ...]

    @property
    def misses(self) -> tuple[Judgement, ...]:
        """The cases with both blocks that lack a kind, or fail."""
        return tuple(item for item in self.both if item not in self.by_kind)


def share_of(judged: Iterable[Judgement]) -> Share:
    """The cases, sorted."""
    every = tuple(judged)
    both = tuple(item for item in every if _holds(item, "attention") and _holds(item, "ffn"))
    neither = tuple(item for item in every if item not in both)
    by_kind = tuple(item for item in both if not absent(item) and item.verdict != "fail")
    everywhere = tuple(item for item in by_kind if not item.without_units and not item.without_sublayer)
    return Share(both, neither, by_kind, everywhere)


def absent(item: Judgement) -> str:
    """The kinds of parts that were not found: `no heads, no sublayers`."""
    lacking = [name for name, kinds in WANTED.items() if not any(item.families.get(kind) for kind in kinds)]
    return ", ".join(f"no {name}" for name in (*lacking, *(["sublayers"] if not item.sublayers else [])))


def _holds(item: Judgement, kind: str) -> bool:
    return any(place.startswith(f"{kind}: ") for place in item.places)
