"""Label flow: which tensor elements belong together, found by running the graph on labels instead of numbers."""

from prunec.ir.labels.flow import LabelFlow, run_flow

__all__ = ["LabelFlow", "run_flow"]
