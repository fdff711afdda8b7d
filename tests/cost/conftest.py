"""What tests of costs share with those of passes: tiny models and a context."""

from __future__ import annotations

from tests.passes.conftest import bert, case, context, llama

__all__ = ["bert", "case", "context", "llama"]
