"""What passes state about a program: structure, scores, damage, cost and plan. Frozen, plain data."""

from prunec.facts.attribution import Answers, Attribution, Forgetting
from prunec.facts.depth import Candidate, Depth, Grain, Step, blocks
from prunec.facts.measured import (
    Damage,
    Dense,
    Distilled,
    Equivalence,
    Leanings,
    Outlook,
    Quality,
    Recovered,
    Scores,
    SecondMoments,
    Weakness,
    Weaknesses,
)
from prunec.facts.path import SolutionPath
from prunec.facts.plan import Ceiling, CostModel, Plan
from prunec.facts.selection import RowSelection
from prunec.facts.stock import Loadable, Shapes
from prunec.facts.structure import ADDITIVE, KINDS, Cuts, Family, MaskPoint, Pin, Site, Slot, Structure, Sublayer

__all__ = [
    "ADDITIVE",
    "KINDS",
    "Answers",
    "Attribution",
    "Candidate",
    "Ceiling",
    "CostModel",
    "Cuts",
    "Damage",
    "Dense",
    "Depth",
    "Distilled",
    "Equivalence",
    "Family",
    "Forgetting",
    "Grain",
    "Leanings",
    "Loadable",
    "MaskPoint",
    "Outlook",
    "Pin",
    "Plan",
    "Quality",
    "Recovered",
    "RowSelection",
    "Scores",
    "SecondMoments",
    "Shapes",
    "Site",
    "Slot",
    "SolutionPath",
    "Step",
    "Structure",
    "Sublayer",
    "Weakness",
    "Weaknesses",
    "blocks",
]
