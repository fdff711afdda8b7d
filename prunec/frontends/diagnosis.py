"""Why a model cannot be traced: in which module, at which line, and what its author can do."""

from __future__ import annotations

import re
import site
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
from torch import fx, nn

import prunec
from prunec.errors import InputError

RUNS = "check that the model runs on these inputs; what is traced may not depend on the values of tensors"


@dataclass(frozen=True)
class Cause:
    """One known reason for which tracing fails.

    Attributes:
        sign: what its error's class and text hold, as a regular expression.
        reason: what the user reads; empty for the error's own first line.
        fix: what the user can do.
    """

    sign: str
    reason: str
    fix: str


CAUSES = (
    Cause(
        r"GuardOnDataDependent|DataDependentOutput|data-dependent|aten::_local_scalar_dense|DynamicOutputShape",
        "a branch, a loop or a size there depends on the values of a tensor",
        "choose by torch.where or a mask instead, or give the value as a Python number in the example inputs",
    ),
    Cause(
        r"\.numpy\(\)|numpy|__array__",
        "tensors leave torch for numpy there",
        "write that step with torch operators",
    ),
    Cause(
        r"UnsupportedOperator|UnsupportedFakeTensor|fake impl|no fake|Meta tensors|meta kernel|'Meta' backend",
        "",
        "give that operator its shapes with torch.library.register_fake, or write the step with torch's own operators",
    ),
    Cause(
        r"TypeError.*(required positional|required argument|unexpected keyword|multiple values)",
        "",
        "give every argument of the model's forward by its name",
    ),
)


def untraceable(model: nn.Module, error: BaseException) -> InputError:
    """The refusal to trace `model`, which failed with `error`: place, reason and remedy in one line."""
    cause = _cause(error)
    reason = cause.reason or first_line(error)
    place = _place(model, [frame for each in _chain(error) for frame in _frames(each)])
    return InputError(f"{type(model).__name__} cannot be traced: {reason}{place}", cause.fix)


def node_place(node: fx.Node) -> str:
    """Where the model's code made `node`, as ` (in PATH of class NAME, FILE:LINE)`; empty where that is not known."""
    modules = list((node.meta.get("nn_module_stack") or {}).values())
    lines = [(Path(path), line) for path, line in _TRACE_LINE.findall(node.meta.get("stack_trace") or "")]
    own = next((f"{_short(path)}:{line}" for path, line in reversed(lines) if _is_model_code(path)), "")
    module = _module_text(modules[-1][0], str(modules[-1][1]).rpartition(".")[2]) if modules else ""
    return _joined(module, own)


def first_line(error: BaseException) -> str:
    """The first line of an error that says something, without a trailing full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


_TRACE_LINE = re.compile(r'File "([^"]+)", line (\d+)')


def _cause(error: BaseException) -> Cause:
    for each in _chain(error):
        text = f"{type(each).__name__}: {each}"
        for cause in CAUSES:
            if re.search(cause.sign, text):
                return cause
    return Cause("", "", RUNS)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from or during, the outermost first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _frames(error: BaseException) -> list[tuple[FrameType, int]]:
    return list(traceback.walk_tb(error.__traceback__))


def _place(model: nn.Module, frames: list[tuple[FrameType, int]]) -> str:
    """The innermost module and line of the model's own code among the frames of an error."""
    names = {id(module): name for name, module in model.named_modules()}
    module = line = ""
    for frame, number in frames:
        own = frame.f_locals.get("self")
        if isinstance(own, nn.Module) and names.get(id(own)):
            module = _module_text(names[id(own)], type(own).__name__)
        path = Path(frame.f_code.co_filename)
        if _is_model_code(path):
            line = f"{_short(path)}:{number}"
    return _joined(module, line)


def _module_text(path: str, class_name: str) -> str:
    return f"{path} of class {class_name}" if path else ""


def _joined(module: str, line: str) -> str:
    text = ", ".join(filter(None, (module and f"in {module}", line)))
    return f" ({text})" if text else ""


def _is_model_code(path: Path) -> bool:
    """Whether a file may hold a model's code: not torch, numpy, the exporters, Python or prunec itself."""
    text = str(path)
    if text.startswith("<") or any(path.is_relative_to(folder) for folder in _FOREIGN):
        return False
    packaged = any(path.is_relative_to(folder) for folder in _PACKAGES)
    return packaged or not path.is_relative_to(sysconfig.get_path("stdlib"))


def _short(path: Path) -> str:
    """A file as it is imported: without the folder that Python found it in."""
    folders = [Path(folder) for folder in (*map(str, _PACKAGES), *sys.path) if folder and path.is_relative_to(folder)]
    return str(path.relative_to(max(folders, key=lambda folder: len(folder.parts)))) if folders else str(path)


def _home(module: object) -> Path:
    return Path(str(getattr(module, "__file__", ""))).parent


_PACKAGES = [Path(folder) for folder in {*site.getsitepackages(), sysconfig.get_path("purelib")}]
_FOREIGN = [
    _home(torch),
    _home(prunec),
    *(folder / name for folder in _PACKAGES for name in ("numpy", "transformers/exporters")),
]
