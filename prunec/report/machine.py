"""Where a compile runs: the machine, and the versions of what shapes its result."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from prunec.cost.workload import default_threads
from prunec.report.data import Machine

PACKAGES = ("prunec", "torch", "transformers", "onnx", "onnxruntime", "onnxscript", "onnx-ir", "numpy")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape a result, read without importing them."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def this_machine(threads: int) -> Machine:
    """The machine this process runs on; `threads` are those the runtime is given."""
    return Machine(
        cpu=_cpu_model(),
        cores=default_threads(),
        threads=threads,
        memory_bytes=psutil.virtual_memory().total,
        system=platform.platform(terse=True),
    )


def _cpu_model() -> str:
    """The processor's name: Linux keeps it in a file, elsewhere Python knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
