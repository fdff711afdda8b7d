"""What analyses measured: scores, moments, damage, and how well a slim program holds up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from prunec.ir.program import Program


@dataclass(frozen=True)
class Dense:
    """The program as it was before anything was removed: the oracle of every later check."""

    program: Program


@dataclass(frozen=True)
class Scores:
    """One criterion's importance of every unit, or of every sublayer, or of both: higher means keep.

    Units are comparable within a family, sublayers with each other. Where a criterion scores sublayers only,
    `units` is empty, and families stay whole.

    Attributes:
        criterion: its text form, with settings, such as `taylor`.
        data_hash: hash of the calibration text, empty for criteria that read none.
        units: per family name, `[units]`.
        sublayers: per sublayer name; empty where units alone are scored.
        unit: what `sublayers` is measured in, where that is a unit of damage; else empty.
        undone: per sublayer name, the share of its removal's error that re-fitting undoes, where the criterion re-fits.
        partners: per family name, `[units]`, whom each unit was paired with when its turn to go came, -1 for the unit
            that nothing is left to pair with; where the criterion goes by pairs. Files of scores do not keep it.
    """

    criterion: str
    data_hash: str
    units: Mapping[str, np.ndarray]
    sublayers: Mapping[str, float] = field(default_factory=dict)
    unit: str = ""
    undone: Mapping[str, float] = field(default_factory=dict)
    partners: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class SecondMoments:
    """Mean over calibration tokens of `a a^T` where each family is read.

    Attributes:
        sites: `[features, features]` by family name and by the name of the weight that reads it.
    """

    sites: Mapping[str, Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Damage:
    """Measured loss increase of removals, one place at a time.

    Attributes:
        objective: what the loss is, such as `KL divergence to the dense model, nats per token`; the criterion where
            that alone weighs whole sublayers.
        families: per family name, the increase when the lowest-scored `k` units go: `(k, increase)`
            pairs, `k` ascending, starting at `(0, 0.0)`.
        sublayers: per sublayer name, the increase when it is bypassed.
    """

    objective: str
    families: Mapping[str, tuple[tuple[int, float], ...]]
    sublayers: Mapping[str, float]


@dataclass(frozen=True)
class Outlook:
    """What other budgets would have given, by the costs and the damages that the search went by.

    Attributes:
        unit: of costs, such as `ms`.
        chosen: `(cost, damage)` of the plan that was made, by the same costs and damages.
        points: the same of the plan under each budget, ascending in cost up to the dense model, whose damage is
            0. Damage is a sum of damages measured one place at a time, in the unit of `Damage.objective`.
    """

    unit: str
    chosen: tuple[float, float]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Leanings:
    """How much the damage of each place weighs among all others, as a search learned from whole plans.

    Attributes:
        weights: by name of family or sublayer; 1 where the damage that was measured alone holds.
    """

    weights: Mapping[str, float]


@dataclass(frozen=True)
class Equivalence:
    """Slim program against masked dense program, before recovery.

    Attributes:
        error: largest absolute difference of an output, over the largest absolute dense output (or 1).
        tolerance: what was allowed.
    """

    error: float
    tolerance: float


@dataclass(frozen=True)
class Recovered:
    """What recovery did: which sublayers were re-fitted, and the damage before and after on held-out text.

    Attributes:
        missing: by sublayer, the share of what it has to add to the residual stream that its output misses on held-out
            text, before and after, by squared size; of those alone that a walk along the stream re-fitted.
    """

    method: str
    sublayers: tuple[str, ...]
    before: float
    after: float
    missing: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Distilled:
    """What training did: the damage before and after on held-out text, equal where the program stayed as it was.

    Attributes:
        steps, tokens, seconds: of training, measuring included.
    """

    steps: int
    tokens: int
    seconds: float
    before: float
    after: float


@dataclass(frozen=True)
class Weakness:
    """An item that the dense program has right and the slim one wrong.

    Attributes:
        tokens: the text; of a language model what stands before the token that it is about.
        right: the place of what is right among the logits: a token or a label.
        said: the place of what the slim program says.
    """

    tokens: tuple[int, ...]
    right: int
    said: int


@dataclass(frozen=True)
class Weaknesses:
    """What removal made wrong, on text that nothing was chosen by.

    Attributes:
        items: the first of those that were right and are wrong.
        known: how many items there are of which it is known what is right.
        lost: how many were right and are wrong.
        gained: how many were wrong and are right.
    """

    items: tuple[Weakness, ...]
    known: int
    lost: int
    gained: int


@dataclass(frozen=True)
class Quality:
    """The objective on held-out text that nothing was chosen by.

    Attributes:
        unit: what `dense` and `slim` are measured in.
        dense, slim: the figure for each.
        damage: distance of slim from dense, in the objective's damage unit.
        items: tokens or sequences it is a mean over.
        dense_range, slim_range: where the figure is a share of items, its 95 % Wilson interval; empty else.
        named: the same for each named corpus alone.
    """

    unit: str
    dense: float
    slim: float
    damage: float
    items: int
    dense_range: tuple[float, ...] = ()
    slim_range: tuple[float, ...] = ()
    named: Mapping[str, Quality] = field(default_factory=dict)
