"""Texts with labels: as rows of a file give them, and as indices into a classifier's outputs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prunec.errors import InputError
from prunec.ir.program import Program

LABELS = "labels"
"""The entry of a batch that holds the index of each row's label, `[rows]`, besides the program's inputs."""

CLASSIFICATION = "text-classification", "image-classification"
"""The tasks whose rows can be labelled here, with a class each."""

EXAMPLE = '{"text": "...", "label": "..."}'


class LabelledText(str):
    """A row's text, or both texts of a pair, as any reader of text takes it; and what a classifier should say of it.

    Attributes:
        text, pair: the row's `text`, and its `text_b` where it has one.
        label: as the row has it.
        place: the row's file and line.
        answer: the label's place among a model's outputs; -1 until `indexed` finds it.
    """

    text: str
    pair: str | None
    label: object
    place: str
    answer: int

    def __new__(cls, text: str, pair: str | None, label: object, place: str, answer: int = -1) -> LabelledText:
        """A text with its label."""
        made = super().__new__(cls, text if pair is None else f"{text}\n\n{pair}")
        made.text, made.pair, made.label, made.place, made.answer = text, pair, label, place, answer
        return made


def uniform(texts: Iterable[str]) -> Iterator[str]:
    """`texts` again, if all have labels or none has.

    Raises:
        InputError: some have a label and some have none.
    """
    first: str | None = None
    for text in texts:
        first = text if first is None else first
        if isinstance(text, LabelledText) != isinstance(first, LabelledText):
            place = next(item.place for item in (first, text) if isinstance(item, LabelledText))
            raise InputError(f"{place} has a label, and other calibration text has none", "label all rows or none")
        yield text


def label_names(program: Program) -> tuple[str, ...]:
    """What the outputs of a classifier of texts or images mean, in their order; empty for other models."""
    return names_in(program.provenance.config, program.provenance.task)


def names_in(config: Mapping[str, object], task: str) -> tuple[str, ...]:
    """The same of a model for `task` by its config."""
    names = config.get("id2label")
    single = config.get("problem_type") in (None, "single_label_classification")
    if task not in CLASSIFICATION or not single or not isinstance(names, Mapping):
        return ()
    # One output is a number that is fitted, not a class.
    return tuple(str(names[key]) for key in sorted(names, key=int)) if len(names) > 1 else ()


def indexed(texts: Sequence[str], names: Sequence[str]) -> Sequence[str]:
    """`texts` with the labels' places among `names`; as plain texts where there are no names.

    Raises:
        InputError: a label is neither one of `names` nor one of their places.
    """
    if not names:
        return [str(text) for text in texts]
    return [_indexed(text, names) if isinstance(text, LabelledText) else text for text in texts]


def _indexed(text: LabelledText, names: Sequence[str]) -> LabelledText:
    label = text.label
    answer = names.index(label) if isinstance(label, str) and label in names else -1
    if isinstance(label, int) and not isinstance(label, bool) and 0 <= label < len(names):
        answer = label
    if answer < 0:
        near = difflib.get_close_matches(str(label), names, n=2)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise InputError(
            f"{text.place} has the label {label!r}, which the model does not know",
            f"{hint}its labels are {', '.join(names)}, or 0 to {len(names) - 1}",
        )
    return LabelledText(text.text, text.pair, label, text.place, answer)
