"""Checks that what is measured has the name by which it is looked for."""

from __future__ import annotations

from prunec.errors import InputError
from prunec.frontends.loaded import Loaded


def check_tokens(loaded: Loaded) -> None:
    """Make sure that the tokens, by which a language model is measured, are called so.

    Raises:
        InputError: they are not.
    """
    inputs = [item.name for item in loaded.program.inputs]
    if "input_ids" not in inputs:
        raise _misnamed(loaded, f"takes {', '.join(inputs)}, no input_ids", "call the tokens so")


def check_logits(loaded: Loaded) -> None:
    """Make sure that the logits, which are compared with what is right, are called so.

    Raises:
        InputError: they are not.
    """
    outputs = loaded.program.outputs
    if "logits" not in outputs:
        raise _misnamed(loaded, f"returns {', '.join(outputs)}, no logits", "return {'logits': ...}")


def _misnamed(loaded: Loaded, what: str, fix: str) -> InputError:
    subject = f"{loaded.program.provenance.model_class} is for {loaded.task.name}"
    return InputError(f"{subject} and {what}", f"{fix}, or leave task out")
