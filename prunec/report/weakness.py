"""The items that were right and are wrong, as lines of JSON that calibration text can be read from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from prunec.calibration.labels import label_names
from prunec.facts import Weakness, Weaknesses
from prunec.ir.program import Program

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def weakness_lines(found: Weaknesses, program: Program, tokenizer: PreTrainedTokenizerBase | None) -> str:
    """One object a line: `text`, then `label` and `slim` of a classifier, or `next` and `slim` of a language model.

    `text` of a language model ends in the token that was right. Without a tokenizer there are `tokens` for `text`, and
    numbers for all else.
    """
    names = label_names(program)
    lines = (_row(item, names, tokenizer) for item in found.items)
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)


def _row(item: Weakness, names: tuple[str, ...], tokenizer: PreTrainedTokenizerBase | None) -> dict[str, object]:
    if tokenizer is None:
        return {"tokens": item.tokens, "right": item.right, "slim": item.said}
    if names:
        text = tokenizer.decode(list(item.tokens), skip_special_tokens=True)
        return {"text": text, "label": names[item.right], "slim": names[item.said]}
    text = tokenizer.decode([*item.tokens, item.right], skip_special_tokens=True)
    return {"text": text, "next": tokenizer.decode([item.right]), "slim": tokenizer.decode([item.said])}
