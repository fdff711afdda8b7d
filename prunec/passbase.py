"""What a pass is: a frozen dataclass whose fields are its options, with declared needs and gifts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar

from prunec.errors import PassError
from prunec.facts import Ceiling, Plan
from prunec.ir.program import Program

FactT = TypeVar("FactT")


class Progress(Protocol):
    """Where long work reports to. The default, `Silent`, drops everything."""

    def item(self, text: str, done: int, total: int) -> None:
        """`done` of `total` steps of `text` are finished."""
        ...

    def note(self, text: str) -> None:
        """Something worth a line."""
        ...

    def warn(self, text: str) -> None:
        """Something the user should know, kept for the report."""
        ...


class Silent:
    """Progress that goes nowhere."""

    def item(self, text: str, done: int, total: int) -> None: ...

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


class Facts:
    """Facts by type, as one pass sees them: reading what it did not declare is an error by name."""

    def __init__(self, values: Mapping[type, object] | None = None) -> None:
        self._values: dict[type, object] = dict(values or {})
        self._readable: frozenset[type] | None = None

    def __getitem__(self, kind: type[FactT]) -> FactT:
        if self._readable is not None and kind not in self._readable:
            raise PassError(f"a pass reads {kind.__name__} without declaring it", "add it to the pass's `needs`")
        if kind not in self._values:
            raise PassError(f"nothing gives {kind.__name__}", "run the pass that does earlier in the pipeline")
        value = self._values[kind]
        assert isinstance(value, kind)
        return value

    def get(self, kind: type[FactT]) -> FactT | None:
        """The fact, or None where nothing gave it."""
        return self[kind] if kind in self._values else None

    def __contains__(self, kind: type) -> bool:
        return kind in self._values

    def put(self, value: object) -> None:
        """Add or replace the fact of `value`'s type."""
        self._values[type(value)] = value

    def having(self, value: object) -> Facts:
        """The same facts, with `value` as the one of its type."""
        return Facts(self._values | {type(value): value})

    def drop(self, kind: type) -> None:
        """Forget a fact, if there is one."""
        self._values.pop(kind, None)

    @contextmanager
    def reading(self, kinds: frozenset[type]) -> Iterator[Facts]:
        """Restrict reading to `kinds` for the length of one pass."""
        before, self._readable = self._readable, kinds
        try:
            yield self
        finally:
            self._readable = before


@dataclass(frozen=True)
class Context:
    """What every pass may use besides facts.

    Attributes:
        progress: where to report.
        seed: for everything drawn at random.
        cache: folder for measurements that outlive the run.
        scratch: folder for files that do not.
    """

    scratch: Path
    cache: Path
    seed: int = 0
    progress: Progress = field(default_factory=Silent)


@dataclass(frozen=True)
class PassResult:
    """What a pass did.

    Attributes:
        program: the program after the pass: the same object unless the pass rewrites.
        facts: new facts.
        log: one line for the report, such as why nothing applied.
        again_from: name of an earlier pass from which the pipeline should run again.
        skip_to: name of a later pass to go on from, where what lies between has nothing to do; where the pipeline has
            none, it is over.
    """

    program: Program
    facts: tuple[object, ...] = ()
    log: str = ""
    again_from: str | None = None
    skip_to: str | None = None


@dataclass(frozen=True)
class Pass(ABC):
    """One step of a pipeline.

    A subclass is a frozen dataclass: its fields are its options and its class attributes its contract.

    Attributes:
        name: as pipelines spell it.
        needs: fact types that must be there; `reads`: fact types used where there are any.
        gives: fact types it may add.
        rewrites: whether it may return another program. A pass that does not must leave the
            program's fingerprint alone; one that does names in `keeps` the facts that stay true
            (base classes count: `(object,)` keeps all, as facts about the dense program do).
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[type, ...]] = ()
    reads: ClassVar[tuple[type, ...]] = ()
    gives: ClassVar[tuple[type, ...]] = ()
    rewrites: ClassVar[bool] = False
    keeps: ClassVar[tuple[type, ...]] = ()

    @abstractmethod
    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Do it."""


def is_search(step: Pass | type[Pass]) -> bool:
    """Whether a pass chooses what goes: it makes a plan for a budget, and needs none."""
    return Ceiling in step.needs and Plan in step.gives and Plan not in step.needs
