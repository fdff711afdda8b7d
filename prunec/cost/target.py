"""What a compile aims at: the backend, the workload and the budget; and the dense artifact as a baseline."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from prunec.cost.measure import Timing, paired_ratio
from prunec.cost.numerics import PLAIN, Numerics, configured
from prunec.cost.timer import Backend
from prunec.cost.workload import Workload
from prunec.facts import CostModel, Plan, Quality
from prunec.ir.last_token import last_token
from prunec.ir.program import Program
from prunec.options import BudgetKind


@dataclass(frozen=True)
class Target:
    """The fact that says where the artifact will run and what it may cost.

    Attributes:
        backend: emits and loads artifacts, in `numerics`.
        workload: what a latency is of.
        kind: what the budget bounds.
        value: the bound, in the unit of `kind`.
        filename: of the artifact.
        last_token: whether artifacts give the logits of the last token alone.
        numerics: what artifacts compute in, and on what.
    """

    backend: Backend
    workload: Workload
    kind: BudgetKind
    value: float
    filename: str
    last_token: bool = False
    numerics: Numerics = field(default_factory=Numerics)

    @property
    def plain(self) -> Backend:
        """The backend for float32 on the same device."""
        usual = replace(self.numerics, dtype=PLAIN, fine=frozenset())
        return self.backend if usual == self.numerics else configured(self.backend, usual)

    @property
    def reduced(self) -> bool:
        """Whether artifacts compute in fewer bits than the program does."""
        return self.numerics.dtype != PLAIN

    def refined(self, fine: frozenset[str]) -> Target:
        """The same, with finer grids for the weights called `fine`."""
        numerics = replace(self.numerics, fine=fine)
        return replace(self, backend=configured(self.backend, numerics), numerics=numerics)

    def written(self, program: Program) -> Program:
        """What an artifact of `program` computes: the same, but for logits that nobody reads."""
        return last_token(program) if self.last_token else program


@dataclass(frozen=True)
class Baseline:
    """The dense program as an artifact, and everything removable removed, both measured.

    Attributes:
        artifact: path of the dense artifact in float32 (a scratch file).
        dense: latency of the dense artifact; `dense_bytes`: its size, side files included.
        floor: latency with every priced sublayer bypassed, in the target's type; `floor_bytes`: size of that artifact.
        reduced: latency of the dense program in the target's type, where that is another than float32;
            `reduced_bytes`: size of that artifact.
    """

    artifact: Path
    dense: Timing
    floor: Timing
    dense_bytes: int
    floor_bytes: int
    reduced: Timing | None = None
    reduced_bytes: int = 0

    @property
    def unpruned(self) -> Timing:
        """Latency of the dense program in the target's type."""
        return self.reduced or self.dense

    @property
    def unpruned_bytes(self) -> int:
        """Size of the dense program's artifact in the target's type."""
        return self.reduced_bytes if self.reduced else self.dense_bytes


@dataclass(frozen=True)
class Artifact:
    """An emitted file; `size` in bytes includes its side files."""

    path: Path
    size: int


@dataclass(frozen=True)
class PlainExport:
    """The dense program in float32 without lossless rewrites, as an artifact.

    Attributes:
        latency: of the artifact; `dense`: of the dense one with them, timed in the same turns.
    """

    latency: Timing
    dense: Timing

    @property
    def speedup(self) -> float:
        """How many times as fast the rewrites made the dense artifact."""
        return paired_ratio(self.latency, self.dense)


@dataclass(frozen=True)
class Rival:
    """The dense program rounded to fewer bits and nothing removed, as an artifact.

    Attributes:
        dtype: what its products compute in.
        size: of the artifact, bytes.
        latency: of the artifact; `dense` and `slim`: of the dense one in float32 and of the compile's, timed in the
            same turns.
        quality: of the artifact, in the place of `slim`.
    """

    dtype: str
    size: int
    latency: Timing
    dense: Timing
    slim: Timing
    quality: Quality


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
        error: largest output difference from the slim program, over the largest output (or 1); where the artifact
            rounds, of the same artifact in float32.
        tolerance: what was allowed.
        rounds: every turn so far, trials before repair included.
        judged: how many artifacts were judged so far, this one included.
        rounding: where the artifact rounds, the size of its difference from the program by that of the program's
            outputs (root mean squares).
    """

    holds: bool
    latency: Timing
    dense: Timing
    error: float
    tolerance: float
    rounds: tuple[Round, ...]
    judged: int = 1
    rounding: float | None = None
