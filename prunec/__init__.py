"""prunec, the pruning compiler: makes trained transformers small and fast enough to deploy, and proves it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunec.compiler import CompileResult, compile
    from prunec.errors import PrunecError

__version__ = "0.1.0"
__all__ = ["CompileResult", "PrunecError", "__version__", "compile"]


def __getattr__(name: str) -> Any:
    """Import what is asked for: `prunec --help` should not wait for torch."""
    if name in ("compile", "CompileResult"):
        from prunec import compiler

        return getattr(compiler, name)
    if name == "PrunecError":
        from prunec.errors import PrunecError

        return PrunecError
    raise AttributeError(f"module 'prunec' has no attribute {name!r}")
