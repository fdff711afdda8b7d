"""Pipelines: passes in order, their text form, and the manager that runs them."""

from prunec.pipeline.manager import PipelineResult, Stage, run_pipeline
from prunec.pipeline.spec import parse, pass_text, to_text

__all__ = ["PipelineResult", "Stage", "parse", "pass_text", "run_pipeline", "to_text"]
