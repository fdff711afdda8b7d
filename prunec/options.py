"""What a user asks for: one budget and the settings of a compile, read and checked."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from prunec.amounts import parse_count, parse_latency, parse_size, parse_speedup
from prunec.errors import InputError
from prunec.texts import Texts, spelled_texts

BudgetKind = Literal["latency_ms", "speedup", "parameters", "bytes", "none"]
Logits = ("all", "last")
Emission = ("artifact", "hf")
"""A file that runs, or a checkpoint to load with Python."""
Recovery = ("none", "bias", "merge", "rescale", "obs", "lsq", "distill", "weakness")
TRAINING = ("distill", "weakness")
"""The recoveries that train what is left."""
DTYPES = ("fp32", "fp16", "int8", "int4")
"""What products with weights are computed in."""
DEVICES = ("cpu", "cuda")
EFFORTS = (0, 1, 2, 3)
"""None, and about one, four and fifteen minutes on two cores for 135 million parameters."""
PAIRING = "mutual-information"
"""The criterion that goes by pairs, which `merge` needs."""

_ASKING = "--budget-latency 20ms, --speedup 2, --budget-params 80M, --budget-size 200MB"


def require_device(name: str) -> None:
    """Make sure that `name` is one of `DEVICES`.

    Raises:
        InputError: it is not.
    """
    if name not in DEVICES:
        raise InputError(f"device '{name}' is not known", f"choose {' or '.join(DEVICES)}")


@dataclass(frozen=True)
class Budget:
    """The one upper bound a compile must hold.

    Attributes:
        kind: `latency_ms`, `speedup`, `parameters` or `bytes`; `none` where latency is measured and nothing must hold.
        value: in the unit that `kind` says; a speedup is a factor over the dense model.
    """

    kind: BudgetKind
    value: float

    def __str__(self) -> str:
        if self.kind == "none":
            return "no budget"
        if self.kind == "latency_ms":
            return f"{self.value:g} ms"
        return f"{self.value:g}x" if self.kind == "speedup" else f"{self.value:,.0f} {self.kind}"


NO_BUDGET = Budget("none", math.inf)


@dataclass(frozen=True)
class Options:
    """The settings of a compile besides the model and the output.

    Attributes:
        budget: what must hold.
        task: the task of the model; None infers it.
        calibration: a text file, a JSON-lines file or a folder of them, or several by name; or images, or files of the
            model's inputs; None uses built-in text.
        importance: name of a criterion; None uses the default one.
        ema: what scoring keeps of the past a sequence, in moving averages over the stream that
            `seed` draws from the text; None weighs all of it alike.
        search: name of the pass that chooses what goes; None uses the default one.
        path: a file of `save_path`: what it holds is not scored or measured again.
        save_path: where to keep what the search goes by.
        effort: how much time may go into improving the plan by what whole plans lose, 0 (none) to 3.
        recover: `none`, `bias`, `merge`, `rescale`, `obs`, `lsq`, `distill`, which is `lsq` and training after it, or
            `weakness`, which is `distill` with what removal made wrong counting more; None is `distill`.
        distill_minutes: how long training may take; None allows it a fixed amount of work.
        workload: what a latency is of, such as `prefill:1x128`; None uses the task's default.
        kv_cache: whether a decoder's artifact takes and returns its key-value cache; to decode, it always does.
        threads: of the runtime; None uses every processor this process may use.
        dtype: of the artifact's products with weights, one of `DTYPES`.
        device: what the artifact runs on, one of `DEVICES`.
        opset: version of ONNX's operators in the artifact; None uses the newest that prunec knows.
        logits: of which tokens a causal language model's artifact gives them: `all`, or the `last`.
        uniform: whether every layer keeps the same widths and heads, so that the model's own library can load it.
        emit: `artifact`, a file that runs, or `hf`, a checkpoint in a folder; latency is that of the file either way.
        no_rival: whether the report goes without the dense model beside the artifact, in int8 and as a plain export.
        passes: pipeline text instead of the default pipeline.
        dump_ir: folder for the program before and after every pass.
        seed: for everything drawn at random.
        force: whether an existing output may be replaced.
        trust_remote_code: whether code inside the model folder may run.
        cache: folder for measurements that outlive the run; None is the user's cache folder.
    """

    budget: Budget
    task: str | None = None
    calibration: Texts | None = None
    importance: str | None = None
    ema: float | None = None
    effort: int = 0
    recover: str | None = None
    search: str | None = None
    path: Path | None = None
    save_path: Path | None = None
    distill_minutes: float | None = None
    workload: str | None = None
    kv_cache: bool = False
    threads: int | None = None
    dtype: str = DTYPES[0]
    device: str = DEVICES[0]
    opset: int | None = None
    logits: str = "all"
    uniform: bool = False
    emit: str = "artifact"
    no_rival: bool = False
    passes: str | None = None
    dump_ir: Path | None = None
    seed: int = 0
    force: bool = False
    trust_remote_code: bool = False
    cache: Path | None = None

    def __post_init__(self) -> None:
        if self.repair not in Recovery:
            raise InputError(f"recovery '{self.recover}' is not known", f"choose {', '.join(Recovery)}")
        if self.logits not in Logits:
            raise InputError(f"logits of '{self.logits}' are not known", f"choose {' or '.join(Logits)}")
        if self.emit not in Emission:
            raise InputError(f"'{self.emit}' is nothing that can be emitted", f"choose {' or '.join(Emission)}")
        if self.emit == "hf" and self.budget.kind == "bytes":
            raise InputError(
                "a budget of bytes is of a file that runs, and --emit hf writes none", "give --budget-params instead"
            )
        if self.dtype not in DTYPES:
            raise InputError(f"dtype '{self.dtype}' is not known", f"choose {', '.join(DTYPES)}")
        require_device(self.device)
        if self.effort not in EFFORTS:
            raise InputError(f"there is no effort {self.effort}", f"choose {', '.join(map(str, EFFORTS))}")
        check_minutes(self.distill_minutes, self.repair)
        if self.threads is not None and self.threads < 1:
            raise InputError(f"{self.threads} threads are not a positive number", "give 1 or more")
        if self.seed < 0:
            raise InputError(f"seed {self.seed} is negative", "give 0 or more")
        check_ema(self.ema)

    @property
    def repair(self) -> str:
        """The recovery of the default pipeline: the one that is given, else the default one."""
        return TRAINING[0] if self.recover is None else self.recover

    def settings(self) -> dict[str, object]:
        """Every option as plain data, for the report."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _plain(value) for name, value in values.items()}


def check_ema(value: float | None) -> None:
    """Make sure that `value` is a share of the past that a moving average can keep.

    Raises:
        InputError: it is not between 0 and 1.
    """
    if value is not None and not 0 < value < 1:
        raise InputError(f"ema {value:g} is not between 0 and 1", "give what is kept of the past a sequence, as 0.98")


def check_minutes(value: float | None, recover: str) -> None:
    """Make sure that `value` is a time for training, and that there is training.

    Raises:
        InputError: it is not positive and finite, or is given and `recover` trains nothing.
    """
    if value is not None and not 0 < value < math.inf:
        raise InputError(f"{value:g} minutes are no time to distil in", "give more than 0")
    if value is not None and recover not in TRAINING:
        raise InputError(f"--distill-minutes is given, and recovery by {recover} has none", "add --recover distill")


def unpaired(criterion: str) -> InputError:
    """The error where units are to be merged that scoring by `criterion` (none: empty) did not pair."""
    by = f"importance by {criterion}" if criterion else "the default importance"
    return InputError(
        f"recovery by merge needs units in pairs, and {by} makes none", f"give --importance {PAIRING}, or --recover lsq"
    )


def parse_budget(
    *,
    latency: str | float | None = None,
    speedup: str | float | None = None,
    params: str | float | None = None,
    size: str | float | None = None,
) -> Budget:
    """The one budget that is given.

    Raises:
        InputError: none is given, several are, or the one cannot be read.
    """
    asked: Mapping[str, object] = {
        "--budget-latency": latency,
        "--speedup": speedup,
        "--budget-params": params,
        "--budget-size": size,
    }
    given = [name for name, value in asked.items() if value is not None]
    if not given:
        raise InputError("no budget is given", f"give one of {_ASKING}")
    if len(given) > 1:
        raise InputError(f"{len(given)} budgets are given: {', '.join(given)}", "give exactly one")
    if latency is not None:
        return Budget("latency_ms", parse_latency(latency))
    if speedup is not None:
        return Budget("speedup", parse_speedup(speedup))
    if params is not None:
        return Budget("parameters", parse_count(params))
    assert size is not None
    return Budget("bytes", parse_size(size))


def command_text(model: str, output: object, options: Options) -> str:
    """The command line that asks for the same, also for a compile from Python: what a reader repeats it with."""
    words = ["prunec", model, *(["-o", str(output)] if output else []), *_budget_words(options.budget)]
    for item in fields(Options):
        value = getattr(options, item.name)
        if item.name == "budget" or value == item.default:
            continue
        flag = "--cache-dir" if item.name == "cache" else f"--{item.name.replace('_', '-')}"
        texts = spelled_texts(value) if item.name == "calibration" else [str(value)]
        words += [flag] if value is True else [word for text in texts for word in (flag, text)]
    return shlex.join(words)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return str(value) if isinstance(value, (Path, Budget)) else value


def _budget_words(budget: Budget) -> list[str]:
    number = f"{budget.value:.12g}"
    return {
        "latency_ms": ["--budget-latency", f"{number}ms"],
        "speedup": ["--speedup", number],
        "parameters": ["--budget-params", f"{budget.value:.0f}"],
        "bytes": ["--budget-size", f"{budget.value:.0f}B"],
        "none": [],
    }[budget.kind]
