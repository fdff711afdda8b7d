"""What one compile is asked for: options read and checked before any long work, and the facts to start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from prunec import catalogue
from prunec.calibration.corpus import check_sequence
from prunec.calibration.objective import Goal, objective, unknown_truth, with_labels
from prunec.calibration.pathfile import SUFFIX
from prunec.calibration.textsource import TextSource
from prunec.cost.numerics import ROUNDED, Numerics, configured
from prunec.cost.target import Target
from prunec.cost.timer import Backend
from prunec.cost.workload import DECODE, LENGTH, PHASES, Workload
from prunec.destination import Destination, weakness_path
from prunec.drivers.budgets import label
from prunec.drivers.default_pipeline import SEARCH, UNIFORM_SEARCH, default_pipeline, recovery_steps
from prunec.drivers.given import Given, files_in, named
from prunec.drivers.naming import check_logits, check_tokens
from prunec.errors import InputError
from prunec.facts import Dense, Loadable, Scores, Weaknesses
from prunec.files import checked_file
from prunec.frontends.loaded import Loaded
from prunec.ir.last_token import last_token
from prunec.ir.program import PAST_AXIS, Program
from prunec.options import PAIRING, Budget, Options, unpaired
from prunec.passbase import Facts, Pass
from prunec.pipeline import parse

SEQUENCE = LENGTH
"""Tokens of the default workload, and the least and usual length of calibration windows."""
LONGEST_WINDOW = 512


@dataclass(frozen=True)
class Request:
    """One compile's options with everything that can be read and checked without the model.

    Attributes:
        options: as given.
        destination: where the files go; None writes nothing.
        backend: the artifact kind.
        passes: the pipeline.
        given: the calibration data that the user gave.
    """

    options: Options
    destination: Destination | None
    backend: type[Backend]
    passes: tuple[Pass, ...]
    given: Given = field(default_factory=Given)

    @staticmethod
    def read(
        options: Options,
        place: Destination | None,
        backend: str,
        batches: Sequence[Mapping[str, Tensor]] | None,
    ) -> Request:
        """Check and read what `options` name; `backend` counts where `place` is None or a folder.

        Raises:
            InputError: the output, the workload, the calibration text or the pipeline cannot be used.
        """
        kind = catalogue.find_backend(backend)
        if place is not None:
            kind = kind if place.folder else catalogue.backend_for(place.artifact)
            _check_place(place, kind, options)
        checked_file(options.save_path, SUFFIX, "a path is", options.force)
        if options.workload is not None:
            Workload.parse(options.workload, options.threads)
        configured(kind(), numerics(options))
        passes = _pipeline(options, batches is not None)
        _check_pipeline(passes, place.artifact if place else None, options.dtype)
        return Request(options, place, kind, passes, Given.read(options, batches))

    def asking(self, budget: Budget, place: Destination | None) -> Request:
        """The same for another budget and output; programs are dumped into a folder of its own.

        Raises:
            InputError: the output cannot be used.
        """
        if place is not None:
            _check_place(place, self.backend, self.options)
        dump = self.options.dump_ir
        folder = dump / label(budget) if dump is not None else None
        return replace(self, options=replace(self.options, budget=budget, dump_ir=folder), destination=place)

    def facts(self, loaded: Loaded) -> Facts:
        """What passes know about the loaded model from the start.

        Raises:
            InputError: the workload does not fit the model, what is right is needed and not known, a language model
                does not name its tokens, or logits are needed and not named.
        """
        facts = Facts()
        goal = objective(loaded.task.objective_of(loaded.program.provenance.config))
        if any(Weaknesses in item.gives for item in self.passes) and not (goal.knows_truth or self._labelled()):
            raise unknown_truth(goal)
        if goal.name == "causal-lm":
            check_tokens(loaded)
        if with_labels(goal, self.given.batches or ()).knows_truth or (goal.name == "logits" and self.given.has_labels):
            check_logits(loaded)
        facts.put(Dense(loaded.program))
        facts.put(Goal(goal))
        if loaded.stock is not None:
            facts.put(Loadable(loaded.stock.refusal))
        target = self.target(loaded)
        facts.put(target)
        facts.put(self._text_source(loaded, target.workload))
        return facts

    def target(self, loaded: Loaded) -> Target:
        """What is asked of the artifact of the loaded model.

        Raises:
            InputError: the workload does not fit the model, or logits are needed and not named.
        """
        workload = _workload(self.options, loaded)
        # Of a checkpoint, what is timed is a file of the backend's that nobody keeps.
        own = self.destination is not None and self.options.emit == "artifact"
        name = self.destination.artifact.name if self.destination and own else f"artifact{self.backend.suffixes[0]}"
        budget = self.options.budget
        last = _last_token(self.options, loaded)
        asked = numerics(self.options)
        backend = configured(self.backend(), asked)
        return Target(backend, workload, budget.kind, budget.value, name, last, asked)

    def _labelled(self) -> bool:
        """Whether what the model should say may come with the text; of ready batches and images that shows later."""
        return self.given.batches is not None or bool(self.given.images) or self.given.has_labels

    def _text_source(self, loaded: Loaded, workload: Workload) -> TextSource:
        usual = min(max(workload.tokens, SEQUENCE), LONGEST_WINDOW, loaded.max_sequence or LONGEST_WINDOW)
        found = self.given.source(loaded, usual)
        if self.options.passes is None:
            found.check()
        return found


def _check_place(place: Destination, backend: type[Backend], options: Options) -> None:
    """Make sure that all can be written, and that nothing is read that would go by it.

    Raises:
        InputError: it cannot, or calibration text or the path file would go.
    """
    sides = side_files(place.artifact, backend)
    place.check(options.force, sides)
    texts = [file for path in named(options).values() for file in files_in(path)[1]]
    for file in (*texts, *([options.path] if options.path else [])):
        if place.replaces(file, sides):
            raise InputError(
                f"{file} is read, and goes when {place} is written", "copy it elsewhere, or choose another --output"
            )


def numerics(options: Options) -> Numerics:
    """What the artifact is to compute in, and on what, before text has refined it."""
    return Numerics(options.dtype, options.device, opset=options.opset)


def has_cache(options: Options) -> bool:
    """Whether the artifact takes and returns a key-value cache: where that is asked for, or decoding needs it."""
    decodes = options.workload is not None and Workload.parse(options.workload, options.threads).phase == DECODE
    return decodes or options.kv_cache


def traced_sizes(options: Options) -> dict[str, int]:
    """Sizes for the axes of a model that cannot be traced for any size: those of the workload."""
    workload = Workload.parse(options.workload or f"{PHASES[0]}:1x{SEQUENCE}", options.threads)
    return {"batch": workload.batch, "sequence": workload.sequence, "decoder_sequence": workload.sequence}


def side_files(output: Path, backend: type[Backend]) -> tuple[Path, ...]:
    """Where the files are that `output` may have beside it, besides its report."""
    return (weakness_path(output), *(output.with_name(output.name + suffix) for suffix in backend.side_suffixes))


def _pipeline(options: Options, has_batches: bool) -> tuple[Pass, ...]:
    """The passes that are given, or the default ones with the options' choices."""
    if options.passes is not None:
        steps = {"importance": "importance{...}", "ema": "importance{...}", "search": options.search}
        steps |= {"uniform": UNIFORM_SEARCH}
        steps |= {"path": "load-path{FILE}", "save_path": "save-path{FILE}"}
        more = {"effort": f"evolve{{{options.effort}}}", "distill_minutes": "distill{...}"}
        more |= {"recover": ", ".join(recovery_steps(options.repair, None))}
        for name, step in {**steps, **more}.items():
            if getattr(options, name) not in (None, 0):
                flag = name.replace("_", "-")
                raise InputError(f"--{flag} and --passes are both given", f"write {step} into the passes")
        return tuple(parse(options.passes, catalogue.find_pass))
    text = default_pipeline(options, text_given=has_batches or options.calibration is not None)
    try:
        return tuple(parse(text, catalogue.find_pass))
    except InputError as error:
        # Where in a text that nobody wrote the mistake is helps nobody.
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise


def _check_pipeline(passes: Sequence[Pass], output: Path | None, dtype: str) -> None:
    names = [item.name for item in passes]
    if dtype in ROUNDED and "smooth" not in names:
        raise InputError(
            f"--dtype {dtype} is asked for, and the passes do not prepare for it",
            "write grain after calibrate and before baseline, smooth before emit",
        )
    lacking = [name for name in ("emit", "verify") if name not in names]
    if output is not None and lacking:
        raise InputError(
            f"the passes write {output.name} without {' and '.join(lacking)}, so no budget would be proven",
            "let them end with emit, verify",
        )
    merging = any(item.name == "recover" and getattr(item, "method", "") == "merge" for item in passes)
    if merging and not any(Scores in (*item.needs, *item.gives) for item in passes):
        raise InputError(
            "recovery by merge needs units in pairs, and nothing scores units here",
            f"search by {SEARCH} with --importance {PAIRING}, or --recover lsq",
        )
    criterion = next((getattr(item, "criterion", "") for item in passes if item.name == "importance"), "")
    if merging and criterion != PAIRING:
        raise unpaired(criterion)


def _last_token(options: Options, loaded: Loaded) -> bool:
    """Whether artifacts give the logits of the last token alone.

    Raises:
        InputError: that is asked for, and the model predicts no next token or has no output head that can be told.
    """
    if options.logits != "last":
        return False
    if loaded.task.objective != "causal-lm":
        raise InputError(
            f"--logits last is for models that predict the next token, and this one is for {loaded.task.name}",
            "leave --logits out",
        )
    last_token(loaded.program)
    return True


def _workload(options: Options, loaded: Loaded) -> Workload:
    """The workload asked for, or the usual one of the model's task."""
    fixed, phase, task = loaded.program.fixed, loaded.task.phase, loaded.task.name
    if loaded.program.caches and fixed.keys() & {"sequence", PAST_AXIS}:
        raise InputError(
            f"{loaded.program.provenance.model_class} fixes the length of its cache when traced",
            "compile it without a cache: for a prefill workload, without --kv-cache",
        )
    batch = fixed.get("batch", 1)
    sequence = fixed.get("sequence", min(SEQUENCE, loaded.max_sequence or SEQUENCE))
    usual = f"{phase}:{batch}x{sequence}"
    workload = Workload.parse(options.workload or usual, options.threads)
    if workload.phase != phase and not (workload.phase == DECODE and loaded.program.caches):
        raise InputError(
            f"workload '{workload}' is of the phase {workload.phase}, a model for {task} has {phase}",
            f"write {phase}:{workload.batch}x{workload.sequence}",
        )
    given = {"batch": workload.batch, "sequence": workload.sequence}
    for name in [name for name in given if fixed.get(name, given[name]) != given[name]]:
        raise InputError(
            f"workload '{workload}' has a {name} of {given[name]}, and the model fixes it at {fixed[name]} when traced",
            f"write {phase}:{fixed.get('batch', workload.batch)}x{fixed.get('sequence', workload.sequence)}, or trace "
            f"it at another size",
        )
    if phase == PHASES[0] and not _has_length(loaded.program):
        return replace(workload, sized=False)
    if not workload.sized:
        raise InputError(f"workload '{workload}' says nothing of the sequence", f"write it with one, such as {usual}")
    check_sequence(workload.tokens, loaded.max_sequence)
    return workload


def _has_length(program: Program) -> bool:
    """Whether requests have a length besides their rows: those of images have none."""
    free = {axis for item in program.inputs for axis in item.axes.values()} - {"batch"}
    return bool(free) or "sequence" in program.fixed
