"""prunec, the pruning compiler: makes trained transformers small and fast enough to deploy, and proves it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunec.attributor import semantics
    from prunec.benchmark import bench
    from prunec.comparer import sensitivity
    from prunec.compiler import CompileFamily, CompileResult, compile
    from prunec.errors import PrunecError
    from prunec.evaluator import evaluate
    from prunec.facts import Scores
    from prunec.inspector import inspect
    from prunec.report.benchmark import Benchmark
    from prunec.report.evaluation import Evaluation
    from prunec.report.inspection import Inspection
    from prunec.report.ken import KenReport
    from prunec.report.semantics import Semantics
    from prunec.report.sensitivity import Sensitivity
    from prunec.reverter import apply_ken, ken
    from prunec.scorer import score
    from prunec.swapper import LoadedKen, load_ken, unload_ken

__version__ = "0.1.0"
__all__ = [
    "Benchmark",
    "CompileFamily",
    "CompileResult",
    "Evaluation",
    "Inspection",
    "KenReport",
    "LoadedKen",
    "PrunecError",
    "Scores",
    "Semantics",
    "Sensitivity",
    "__version__",
    "apply_ken",
    "bench",
    "compile",
    "evaluate",
    "inspect",
    "ken",
    "load_ken",
    "score",
    "semantics",
    "sensitivity",
    "unload_ken",
]

PLACES = {
    "apply_ken": "prunec.reverter",
    "bench": "prunec.benchmark",
    "Benchmark": "prunec.report.benchmark",
    "compile": "prunec.compiler",
    "CompileFamily": "prunec.compiler",
    "CompileResult": "prunec.compiler",
    "evaluate": "prunec.evaluator",
    "Evaluation": "prunec.report.evaluation",
    "inspect": "prunec.inspector",
    "Inspection": "prunec.report.inspection",
    "ken": "prunec.reverter",
    "KenReport": "prunec.report.ken",
    "load_ken": "prunec.swapper",
    "LoadedKen": "prunec.swapper",
    "PrunecError": "prunec.errors",
    "score": "prunec.scorer",
    "Scores": "prunec.facts",
    "sensitivity": "prunec.comparer",
    "Sensitivity": "prunec.report.sensitivity",
    "semantics": "prunec.attributor",
    "Semantics": "prunec.report.semantics",
    "unload_ken": "prunec.swapper",
}
"""Where each public name is."""


def __getattr__(name: str) -> Any:
    """Import what is asked for: `prunec --help` should not wait for torch."""
    if name not in PLACES:
        raise AttributeError(f"module 'prunec' has no attribute {name!r}")
    return getattr(import_module(PLACES[name]), name)
