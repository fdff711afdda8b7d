"""What a compile aims at: the backend, the workload and the budget; and the dense artifact as a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prunec.cost.measure import Timing
from prunec.cost.timer import Backend
from prunec.cost.workload import Workload
from prunec.facts import CostModel, Plan
from prunec.ir.last_token import last_token
from prunec.ir.program import Program
from prunec.options import BudgetKind


@dataclass(frozen=True)
class Target:
    """The fact that says where the artifact will run and what it may cost.

    Attributes:
        backend: emits and loads artifacts.
        workload: what a latency is of.
        kind: what the budget bounds.
        value: the bound, in the unit of `kind`.
        filename: of the artifact.
        last_token: whether artifacts give the logits of the last token alone.
    """

    backend: Backend
    workload: Workload
    kind: BudgetKind
    value: float
    filename: str
    last_token: bool = False

    def written(self, program: Program) -> Program:
        """What an artifact of `program` computes: the same, but for logits that nobody reads."""
        return last_token(program) if self.last_token else program


@dataclass(frozen=True)
class Baseline:
    """The dense program as an artifact, and everything removable removed, both measured.

    Attributes:
        artifact: path of the dense artifact (a scratch file).
        dense: latency of the dense artifact; `dense_bytes`: its size, side files included.
        floor: latency with every priced sublayer bypassed; `floor_bytes`: size of that artifact.
    """

    artifact: Path
    dense: Timing
    floor: Timing
    dense_bytes: int
    floor_bytes: int


@dataclass(frozen=True)
class Artifact:
    """An emitted file; `size` in bytes includes its side files."""

    path: Path
    size: int


@dataclass(frozen=True)
class Round:
    """One turn of search, removal and measurement: all in the cost model's unit, on the clock of the measurement.

    Attributes:
        predicted: by the search; None where nothing was searched.
        measured: of the emitted artifact.
        ceiling: what it had to hold; for a speed-up, over the dense latency timed in the same turns.
    """

    predicted: float | None
    measured: float
    ceiling: float


@dataclass(frozen=True)
class Trial:
    """A plan, the cost model it was searched with, and what it was measured to cost before repair."""

    plan: Plan
    costs: CostModel | None
    round: Round


@dataclass(frozen=True)
class Trials:
    """The plans that were tried for the budget, in order; `settled` once one of them is taken."""

    tried: tuple[Trial, ...]
    settled: bool = False

    def best(self) -> Trial | None:
        """The trial that spent most of the budget without breaking it; None where none held."""
        held = [trial for trial in self.tried if trial.round.measured <= trial.round.ceiling]
        return max(held, key=lambda trial: trial.round.measured / trial.round.ceiling, default=None)

    def between(self, share: float) -> float | None:
        """The cost model's constant that spends `share` of the budget, on a line through each side's nearest trial.

        None where only one side of the budget was tried, or noise put the two the wrong way round.
        """
        spent = [(item.round.measured / item.round.ceiling, item.costs.constant) for item in self.tried if item.costs]
        held = max((point for point in spent if point[0] <= 1), default=None)
        missed = min((point for point in spent if point[0] > 1), default=None)
        if held is None or missed is None or missed[1] >= held[1]:
            return None
        return missed[1] + (held[1] - missed[1]) * (missed[0] - share) / (missed[0] - held[0])


@dataclass(frozen=True)
class Verdict:
    """What the emitted artifact is, against what was asked.

    Attributes:
        holds: whether the budget holds.
        latency: of the artifact; `dense`: of the dense artifact, timed in the same turns.
        error: largest output difference from the slim program, over the largest output (or 1).
        tolerance: what was allowed.
        rounds: every turn so far, trials before repair included.
        judged: how many artifacts were judged so far, this one included.
    """

    holds: bool
    latency: Timing
    dense: Timing
    error: float
    tolerance: float
    rounds: tuple[Round, ...]
    judged: int = 1
