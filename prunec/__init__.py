"""prunec, the pruning compiler: makes trained transformers small and fast enough to deploy, and proves it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunec.drivers.attributor import semantics
    from prunec.drivers.benchmark import bench
    from prunec.drivers.comparer import sensitivity
    from prunec.drivers.compiler import CompileFamily, CompileResult, compile
    from prunec.drivers.evaluator import evaluate
    from prunec.drivers.explorer import explore
    from prunec.drivers.inspector import inspect
    from prunec.drivers.loader import SlimModel, load
    from prunec.drivers.reverter import apply_ken, ken
    from prunec.drivers.scorer import score
    from prunec.drivers.swapper import LoadedKen, load_ken, unload_ken
    from prunec.errors import PrunecError
    from prunec.facts import Scores
    from prunec.report.benchmark import Benchmark
    from prunec.report.evaluation import Evaluation
    from prunec.report.exploration import Exploration
    from prunec.report.inspection import Inspection
    from prunec.report.ken import KenReport
    from prunec.report.semantics import Semantics
    from prunec.report.sensitivity import Sensitivity

__version__ = "0.1.0"
__all__ = [
    "Benchmark",
    "CompileFamily",
    "CompileResult",
    "Evaluation",
    "Exploration",
    "Inspection",
    "KenReport",
    "LoadedKen",
    "PrunecError",
    "Scores",
    "Semantics",
    "Sensitivity",
    "SlimModel",
    "__version__",
    "apply_ken",
    "bench",
    "compile",
    "evaluate",
    "explore",
    "inspect",
    "ken",
    "load",
    "load_ken",
    "score",
    "semantics",
    "sensitivity",
    "unload_ken",
]

PLACES = {
    "apply_ken": "prunec.drivers.reverter",
    "bench": "prunec.drivers.benchmark",
    "Benchmark": "prunec.report.benchmark",
    "compile": "prunec.drivers.compiler",
    "CompileFamily": "prunec.drivers.compiler",
    "CompileResult": "prunec.drivers.compiler",
    "evaluate": "prunec.drivers.evaluator",
    "Evaluation": "prunec.report.evaluation",
    "explore": "prunec.drivers.explorer",
    "Exploration": "prunec.report.exploration",
    "inspect": "prunec.drivers.inspector",
    "Inspection": "prunec.report.inspection",
    "ken": "prunec.drivers.reverter",
    "KenReport": "prunec.report.ken",
    "load": "prunec.drivers.loader",
    "load_ken": "prunec.drivers.swapper",
    "LoadedKen": "prunec.drivers.swapper",
    "PrunecError": "prunec.errors",
    "score": "prunec.drivers.scorer",
    "Scores": "prunec.facts",
    "sensitivity": "prunec.drivers.comparer",
    "Sensitivity": "prunec.report.sensitivity",
    "SlimModel": "prunec.drivers.loader",
    "semantics": "prunec.drivers.attributor",
    "Semantics": "prunec.report.semantics",
    "unload_ken": "prunec.drivers.swapper",
}
"""Where each public name is."""


def __getattr__(name: str) -> Any:
    """Import what is asked for: `prunec --help` should not wait for torch."""
    if name not in PLACES:
        raise AttributeError(f"module 'prunec' has no attribute {name!r}")
    return getattr(import_module(PLACES[name]), name)
