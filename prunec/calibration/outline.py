"""What a path file says of its model: the parts that could go and what they count, without a tensor of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prunec.facts import CostModel, Family, Structure, Sublayer


@dataclass(frozen=True)
class Outline:
    """Enough of a model to search again under a budget of parameters.

    Attributes:
        structure: families and sublayers by name and number; no slots, no sites, no nodes.
        parameters: the counted cost model.
    """

    structure: Structure
    parameters: CostModel

    def plain(self) -> dict[str, object]:
        """It as JSON data."""
        return {
            "families": [[item.name, item.kind, item.units, item.least] for item in self.structure.families],
            "sublayers": [[item.name, item.kind, item.families] for item in self.structure.sublayers],
            "constant": self.parameters.constant,
            "tables": self.parameters.families,
        }

    @staticmethod
    def read(plain: Mapping[str, Any]) -> Outline:
        """What `plain` wrote.

        Raises:
            ValueError, KeyError, TypeError: it is not that.
        """
        families = tuple(
            Family(str(name), str(kind), int(units), (), (), least=int(least))
            for name, kind, units, least in plain["families"]
        )
        sublayers = tuple(
            Sublayer(str(name), str(kind), "", "", "", tuple(map(str, held))) for name, kind, held in plain["sublayers"]
        )
        known = {family.name for family in families}
        if not known.issuperset([*plain["tables"], *(name for item in sublayers for name in item.families)]):
            raise ValueError("the outline prices or holds a family that it does not list")
        tables = {
            name: tuple((int(kept), float(cost)) for kept, cost in table) for name, table in plain["tables"].items()
        }
        return Outline(Structure(families, sublayers), CostModel("parameters", float(plain["constant"]), tables))
