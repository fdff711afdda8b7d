"""The pass manager: runs a pipeline, holds every pass to its contract, and measures it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prunec.errors import PassError, PrunecError, VerificationError
from prunec.ir.program import Program
from prunec.ir.verify import verify
from prunec.passbase import Context, Facts, Pass, PassResult
from prunec.pipeline.demand import Givers, check_needs, demanded
from prunec.pipeline.dump import Dump
from prunec.pipeline.memory import PeakMemory
from prunec.pipeline.spec import pass_text

Values = dict[type, object]


@dataclass(frozen=True)
class Stage:
    """One run of one pass.

    Attributes:
        name: the pass's name; `text`: with its options, as pipelines spell it.
        seconds: wall time of the pass alone, without verification and dumps.
        peak_memory_bytes: largest resident size of the process while it ran.
        log: the pass's own line.
        rewrote: whether it returned another program.
        round: 1 for the first run of the pipeline, 2 and more where a pass asked for it again.
    """

    name: str
    text: str
    seconds: float
    peak_memory_bytes: int
    log: str
    rewrote: bool
    round: int


@dataclass(frozen=True)
class PipelineResult:
    """The program and the facts at the end, and every stage that ran, in order."""

    program: Program
    facts: Facts
    stages: tuple[Stage, ...]


def run_pipeline(
    program: Program,
    passes: Sequence[Pass],
    context: Context,
    *,
    facts: Facts | None = None,
    givers: Givers = lambda kind: (),
    dump_ir: Path | None = None,
    on_stage: Callable[[Stage], None] | None = None,
    max_rounds: int = 12,
) -> PipelineResult:
    """Run `passes` over `program`.

    Args:
        program: left as it is; rewrites make new ones.
        passes: in order. An analysis that a pass needs and nobody placed is run before it.
        context: handed to every pass.
        facts: what is known beforehand; left as it is.
        givers: the installed passes that give a fact: the catalogue's.
        dump_ir: folder for the program's text around each pass.
        on_stage: called after each stage.
        max_rounds: how often the pipeline may run in all where a pass says `again_from`.

    Raises:
        PassError: a pass lacks a fact, breaks its contract or fails unexpectedly.
        VerificationError: the program is invalid, or a rewrite left an invalid one.
        PrunecError: as passes raise them, with a note that names the pass.
        InputError: `dump_ir` cannot be written.
    """
    verify(program, shapes=False)
    # Facts has no way to list what it holds.
    values: Values = dict(facts._values) if facts is not None else {}
    check_needs(passes, values.keys(), givers)
    run = _Run(program, values, [_Step(step) for step in passes], context, givers, Dump(dump_ir), max_rounds)
    position = 0
    while position < len(run.steps):
        done = len(run.stages)
        position = run.advance(position)
        if on_stage is not None:
            for stage in run.stages[done:]:
                on_stage(stage)
    return PipelineResult(run.program, Facts(run.values), tuple(run.stages))


@dataclass(eq=False)
class _Step:
    """A place in the pipeline, with what was there when its pass last began."""

    work: Pass
    program: Program | None = None
    values: Values = field(default_factory=dict)
    supplied: bool = False

    def __post_init__(self) -> None:
        self.text = pass_text(self.work)


@dataclass
class _Run:
    """A pipeline under way."""

    program: Program
    values: Values
    steps: list[_Step]
    context: Context
    givers: Givers
    dump: Dump
    max_rounds: int
    round: int = 1
    stages: list[Stage] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fingerprint = self.program.fingerprint()

    def advance(self, position: int) -> int:
        """Run the pass at `position`, or first place the analyses it needs; where to go on from."""
        step = self.steps[position]
        if not step.supplied:
            step.supplied = True
            before = demanded(step.work, self.values.keys(), self.givers)
            if before:
                self.steps[position:position] = [_Step(work, supplied=True) for work in before]
                return position
        self._check_needs(step.work)
        step.program, step.values = self.program, dict(self.values)
        result = self._execute(step.work, step.text)
        return self._next(position, result)

    def _next(self, position: int, result: PassResult) -> int:
        """Where to go on from after the pass at `position`: after it, unless its result says otherwise."""
        if result.again_from is not None:
            again = self._earlier(result.again_from, position)
            if self.round < self.max_rounds:
                self._rewind(again, result)
                return again
        if result.skip_to is not None:
            later = range(position + 1, len(self.steps))
            return next((place for place in later if self.steps[place].work.name == result.skip_to), later.stop)
        return position + 1

    def _check_needs(self, work: Pass) -> None:
        for need in work.needs:
            if need not in self.values:
                raise PassError(
                    f"pass `{work.name}` needs {need.__name__}, which no pass before it gave",
                    "look in the log of the passes before it for why",
                )

    def _execute(self, work: Pass, text: str) -> PassResult:
        """Run one pass, hold it to its contract and take over what it made."""
        if work.rewrites:
            self.dump.before(work.name, self.program)
        started = time.perf_counter()
        with PeakMemory() as memory:
            result = _call(work, text, self.program, Facts(self.values), self.context)
        seconds = time.perf_counter() - started
        rewrote = self._accept(work, result)
        self.stages.append(Stage(work.name, text, seconds, memory.peak_bytes, result.log, rewrote, self.round))
        self.dump.after(work.name, self.program)
        return result

    def _accept(self, work: Pass, result: PassResult) -> bool:
        """Take over the result of `work`; whether the program is another one now."""
        _check_contract(work, result, self.program)
        if self.program.fingerprint() != self.fingerprint:
            raise PassError(f"pass `{work.name}` changed the program it was given", "rewrite a copy of the graph")
        rewrote = result.program is not self.program
        if rewrote:
            _verify_after(work, result.program)
            self.program, self.fingerprint = result.program, result.program.fingerprint()
            self.values = {kind: value for kind, value in self.values.items() if issubclass(kind, work.keeps)}
        self.values |= {type(fact): fact for fact in result.facts}
        return rewrote

    def _earlier(self, name: str, position: int) -> int:
        """The last place before `position` where a pass called `name` stands, which the pass there asks for."""
        for place in range(position - 1, -1, -1):
            if self.steps[place].work.name == name:
                return place
        asking = self.steps[position].work.name
        raise PassError(f"pass `{asking}` wants to go on from `{name}`", f"put `{name}` before it")

    def _rewind(self, place: int, result: PassResult) -> None:
        """Go back to how things were at `place`, keeping what `result` found out."""
        step = self.steps[place]
        assert step.program is not None
        self.round += 1
        for later in self.steps[place:]:
            later.supplied = False
        self.program, self.fingerprint = step.program, step.program.fingerprint()
        self.values = step.values | {type(fact): fact for fact in result.facts}


def _call(work: Pass, text: str, program: Program, facts: Facts, context: Context) -> PassResult:
    """Run `work`, letting it read what it declared, and say which pass an error came from."""
    try:
        with facts.reading(frozenset((*work.needs, *work.reads, *work.gives))):
            return work.run(program, facts, context)
    except PrunecError as error:
        error.add_note(f"in pass `{text}`")
        raise
    except Exception as error:
        raise PassError(f"pass `{work.name}` failed: {type(error).__name__}: {error}") from error


def _check_contract(work: Pass, result: PassResult, program: Program) -> None:
    if not isinstance(result, PassResult):
        raise PassError(f"pass `{work.name}` returned {type(result).__name__}", "return a PassResult")
    if not work.rewrites and result.program is not program:
        raise PassError(f"pass `{work.name}` returned another program", "declare `rewrites = True`")
    for fact in result.facts:
        if type(fact) not in work.gives:
            raise PassError(f"pass `{work.name}` gave {type(fact).__name__} unasked", "add it to the pass's `gives`")


def _verify_after(work: Pass, program: Program) -> None:
    try:
        verify(program)
    except VerificationError as error:
        named = VerificationError(f"pass `{work.name}` left an invalid program: {error.what}", error.fix)
        for note in getattr(error, "__notes__", ()):
            named.add_note(note)
        raise named from error
