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
        taken = ", ".join(inputs)
        raise InputError(f"{_subject(loaded)} and takes {taken}, no input_ids", "call the tokens so, or leave task out")


def check_logits(loaded: Loaded) -> None:
    """Make sure that the logits, which are compared with what is right, are called so.

    Raises:
        InputError: they are not.
    """
    outputs = loaded.program.outputs
    if "logits" not in outputs:
        returned, fix = ", ".join(outputs), "return {'logits': ...}, or leave task out"
        raise InputError(f"{_subject(loaded)} and returns {returned}, no logits", fix)


def _subject(loaded: Loaded) -> str:
    return f"{loaded.program.provenance.model_class} is for {loaded.task.name}"
