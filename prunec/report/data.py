"""The report of one compile: frozen, plain data that a stranger can read and repeat the compile from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from prunec.errors import InputError
from prunec.files import write_text
from prunec.report.checkpoint import Checkpoint, Uniformity
from prunec.report.codec import decode, encode
from prunec.report.latency import Latency, Measured
from prunec.report.older import UPGRADES
from prunec.report.outlook import Outlook

SCHEMA = 3
"""Raised by one whenever a reader of the older form would misread the newer; `older.py` reads those before."""


@dataclass(frozen=True)
class Machine:
    """Where the compile ran. `cores` are those the process may use; `threads` those the runtime used."""

    cpu: str
    cores: int
    threads: int
    memory_bytes: int
    system: str


@dataclass(frozen=True)
class Model:
    """The model before and after; tied tensors count once; artifact bytes include side files."""

    source: str
    model_class: str
    task: str
    parameters_dense: int
    parameters_slim: int
    bytes_dense: int
    bytes_slim: int
    artifact: str | None = None
    artifact_bytes: int | None = None


@dataclass(frozen=True)
class Data:
    """The calibration data: what it is, its hash, and how much of it, disjoint, is behind each use.

    Attributes:
        unit: what is counted: `tokens` of text, or `rows` of what is none, such as images.
    """

    description: str
    hash: str
    tokens_score: int
    tokens_choose: int
    tokens_report: int
    is_default: bool
    notes: tuple[str, ...] = ()
    unit: str = "tokens"

    @property
    def kind(self) -> str:
        """What to call it: `text` or `data`."""
        return "text" if self.unit == "tokens" else "data"


@dataclass(frozen=True)
class Workload:
    """What the latency is of, as `prefill:1x128`, and the runtime's threads."""

    text: str
    threads: int


@dataclass(frozen=True)
class BudgetOutcome:
    """The budget and what came of it.

    Attributes:
        kind: `latency_ms`, `speedup`, `parameters` or `bytes`; `asked` is in its unit.
        target: the upper bound that had to hold, in `unit` (`ms`, `parameters` or `bytes`).
        achieved: what the emitted artifact has, in `unit`.
    """

    kind: str
    asked: float
    unit: str
    target: float
    achieved: float
    derived: ClassVar[tuple[str, ...]] = ("held",)

    @property
    def held(self) -> bool:
        """Whether what is achieved is within the target."""
        return self.achieved <= self.target


@dataclass(frozen=True)
class TextLoss:
    """Loss or accuracy on one held-out text; `metric` is the unit, such as `nats per token` or `accuracy`.

    Attributes:
        tokens: the items that it is a mean over: tokens or, for accuracy and cosines, texts.
        dense_range, slim_range: 95 % Wilson interval of an accuracy, low and high; empty else.
    """

    name: str
    metric: str
    dense: float
    slim: float
    tokens: int
    dense_range: tuple[float, ...] = ()
    slim_range: tuple[float, ...] = ()


@dataclass(frozen=True)
class Loss:
    """The search's objective, and the loss on texts that it never saw."""

    objective: str
    texts: tuple[TextLoss, ...]


@dataclass(frozen=True)
class Quantised:
    """The dense model in fewer bits and nothing removed, as an artifact: what quantisation gives by itself.

    Attributes:
        dtype: what its products compute in.
        artifact_bytes: of its file.
        latency: timed by turns with both artifacts of the compile.
        speedup: over the dense artifact; `slim_speedup`: that of the compile's artifact in the same turns.
        texts: as `Loss.texts`, with the rival's figures in the place of the slim model's.
    """

    dtype: str
    artifact_bytes: int
    latency: Measured
    speedup: float
    slim_speedup: float
    texts: tuple[TextLoss, ...]


@dataclass(frozen=True)
class Exported:
    """The dense model in float32 without lossless rewrites, as an artifact: where the way to the slim one begins.

    Attributes:
        latency: timed by turns with the dense artifact.
        speedup: of the dense artifact over it, in these turns.
    """

    latency: Measured
    speedup: float


@dataclass(frozen=True)
class Checks:
    """Largest absolute differences between outputs; None where not compared.

    Attributes:
        slim_vs_masked: the slim program before recovery against the dense one with the same units masked.
        artifact_vs_slim: the emitted artifact against the slim program; of one in fewer bits, the same in float32.
        tolerance: what each may be at most.
        rounding: of an artifact in fewer bits, the share of its outputs that is rounding (root mean squares).
    """

    slim_vs_masked: float | None
    artifact_vs_slim: float | None
    tolerance: float
    rounding: float | None = None


@dataclass(frozen=True)
class Layer:
    """One family of units before and after, or a sublayer that holds none.

    Attributes:
        sublayer: name of the sublayer around it, empty outside any; `kind` is its kind.
        family: name of the family; `unit` is the kind of its units; both empty, and 0 units, where there is none.
        dropped: whether the whole sublayer is bypassed (`slim_units` is then 0).
        recovered: whether the weights that read it were re-fitted.
        missing: before and after that, the share of what the sublayer has to add to the residual stream that its output
            misses, by squared size on held-out text; empty where that is not known.
        removed: the indices of the units that went, ascending; empty where the whole sublayer did.
        dense_ms, slim_ms: its share of a request by the cost tables, before and after, in milliseconds; None where no
            table has it.
        kept_scores, removed_scores: least, lower quartile, median, upper quartile and most of the scores of units that
            stay and that went, in the criterion's own unit; empty where there are none.
    """

    sublayer: str
    kind: str
    family: str
    unit: str
    dense_units: int
    slim_units: int
    dropped: bool = False
    recovered: bool = False
    removed: tuple[int, ...] = ()
    dense_ms: float | None = None
    slim_ms: float | None = None
    kept_scores: tuple[float, ...] = ()
    removed_scores: tuple[float, ...] = ()
    missing: tuple[float, ...] = ()


@dataclass(frozen=True)
class Stage:
    """One pass, once: how long it took, the process's peak memory by its end, and the line it logged."""

    name: str
    round: int
    seconds: float
    peak_memory_bytes: int
    log: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything about one compile.

    Attributes:
        prunec: the version that compiled; `created` is the time in UTC, ISO 8601.
        command: what was typed, or the Python call; `pipeline` is the text form of what ran.
        given: options as given; `resolved`: as used, defaults and derived values filled in.
        versions: of Python and of each package that shapes the result.
        data, latency, loss: None where a pipeline has no such stage.
        checkpoint: None where the artifact is the file that was timed.
        uniformity: None where layers were free to differ.
        bypassed: names of the sublayers that went whole, also where another one still holds their family.
        seconds: of the whole compile; `peak_memory_bytes`: of the process.
        warnings: one line each, what a reader must know to trust the numbers.
        rival, plain_export: the dense model quantised, and without lossless rewrites, where they were made.
        outlook: the solution path that the plan lies on, under a budget of time.
    """

    schema: int = SCHEMA
    prunec: str
    created: str
    command: str
    pipeline: str
    given: Mapping[str, object]
    resolved: Mapping[str, object]
    versions: Mapping[str, str]
    machine: Machine
    model: Model
    data: Data | None
    workload: Workload
    budget: BudgetOutcome
    latency: Latency | None
    loss: Loss | None
    checks: Checks
    layers: tuple[Layer, ...]
    bypassed: tuple[str, ...]
    stages: tuple[Stage, ...]
    seconds: float
    peak_memory_bytes: int
    warnings: tuple[str, ...] = ()
    checkpoint: Checkpoint | None = None
    uniformity: Uniformity | None = None
    rival: Quantised | None = None
    plain_export: Exported | None = None
    outlook: Outlook | None = None

    @property
    def unpruned(self) -> bool:
        """Whether nothing was removed: the dense model already holds the budget."""
        return not (
            self.bypassed or any(layer.dropped or layer.slim_units < layer.dense_units for layer in self.layers)
        )

    def to_json(self) -> str:
        """The report as JSON text."""
        return encode(self)

    @staticmethod
    def from_json(text: str) -> Report:
        """Read what `to_json` wrote.

        Raises:
            InputError: the text is no report, or one of a schema that is not known.
        """
        try:
            plain = json.loads(text)
            schema = plain.get("schema")
            if schema == SCHEMA:
                return decode(Report, text)
            if schema in UPGRADES:
                return decode(Report, json.dumps(UPGRADES[schema](plain)))
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            fix = "give a *.report.json that prunec wrote"
            raise InputError(f"this is not a prunec report: {error}", fix) from error
        raise InputError(
            f"the report has schema {schema}, and this prunec reads {', '.join(map(str, (*UPGRADES, SCHEMA)))}",
            "compile again, or read it with the prunec that wrote it",
        )

    def write(self, path: Path) -> None:
        """Write the JSON text to `path`, whole or not at all.

        Raises:
            InputError: the folder cannot be written, or the disk is full.
        """
        write_text(path, self.to_json())
