"""From an attribution to what a reader is told: tokens by their text, units by family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import prunec
from prunec.calibration.corpus import Corpus
from prunec.facts import Answers, Attribution, Plan, Structure
from prunec.frontends.loaded import Loaded
from prunec.passbase import Facts
from prunec.pipeline import Stage
from prunec.report import semantics as data
from prunec.report.build import stage_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BLANK = "\N{LOWER ONE EIGHTH BLOCK}"
"""What some tokenizers write for a blank before a word, and lose when they decode a token alone."""


def build_semantics(
    loaded: Loaded,
    tokenizer: PreTrainedTokenizerBase,
    facts: Facts,
    stages: Sequence[Stage],
    warnings: Sequence[str],
    least: int,
    report: str,
) -> data.Semantics:
    """Gather what the passes found; `stages` begin with the loading, `report` is the file that the plan is from."""
    found, corpus, origin = facts[Attribution], facts[Corpus], loaded.program.provenance
    return data.Semantics(
        prunec=prunec.__version__,
        source=origin.source,
        model_class=origin.model_class,
        task=loaded.task.name,
        report=report,
        text=corpus.description,
        text_hash=corpus.data_hash,
        text_tokens=found.text_tokens,
        least=least,
        carriers=found.carriers,
        tokens=_tokens(found, tokenizer),
        families=_families(found, facts[Structure], facts.get(Plan)),
        left_out=found.left_out,
        stages=tuple(map(stage_of, stages)),
        warnings=tuple(warnings),
    )


def readable(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    """The text of a token alone: decoded, with its blank; the vocabulary's own spelling for part of a character."""
    piece, text = str(tokenizer.convert_ids_to_tokens(token)), str(tokenizer.decode([token]))
    if "\N{REPLACEMENT CHARACTER}" in text:
        return piece
    return f" {text}" if piece.startswith(BLANK) and not text.startswith(" ") else text


def _tokens(found: Attribution, tokenizer: PreTrainedTokenizerBase) -> tuple[data.Token, ...]:
    tokens = []
    for place, (token, occurrences) in enumerate(zip(found.tokens.tolist(), found.occurrences.tolist(), strict=True)):
        lost = found.forgetting
        shares = None
        if lost is not None:
            shares = data.Forgotten(*(_short(part[place]) for part in (lost.lost, lost.removed, lost.random)))
        tokens.append(data.Token(token, readable(tokenizer, token), occurrences, shares))
    return tuple(tokens)


def _families(found: Attribution, structure: Structure, plan: Plan | None) -> tuple[data.Family, ...]:
    gone = structure.gone_with(plan.sublayers) if plan is not None else frozenset()
    after = found.forgetting.after if found.forgetting is not None else {}
    families = []
    for name, answers in found.families.items():
        family, sublayer = structure.family(name), next(iter(structure.sublayers_of(name)), None)
        removed = tuple(plan.units.get(name, ())) if plan is not None else ()
        families.append(
            data.Family(
                name,
                family.kind,
                sublayer.name if sublayer else "",
                family.units,
                _units(answers, found.tokens),
                tuple(range(family.units)) if name in gone else removed,
                _units(after[name], found.tokens) if name in after else (),
                _changed(answers, after[name], removed) if name in after else None,
            )
        )
    return tuple(families)


def _units(answers: Answers, tokens: np.ndarray) -> tuple[data.Unit, ...]:
    units = []
    for index, (mean, places, responses) in enumerate(
        zip(answers.means, answers.tokens, answers.responses, strict=True)
    ):
        known = places >= 0
        if known.any():
            ids, shares = tokens[places[known]].tolist(), tuple(map(_short, responses[known]))
            units.append(data.Unit(index, _short(mean), tuple(ids), shares))
    return tuple(units)


def _changed(before: Answers, after: Answers, removed: tuple[int, ...]) -> float | None:
    """Of the tokens that each unit that stays answered to, the share that it no longer does: the mean over them."""
    shares = []
    for index in sorted(set(range(len(before.means))) - set(removed)):
        tokens = set(before.tokens[index].tolist()) - {-1}
        if tokens:
            shares.append(1 - len(tokens & set(after.tokens[index].tolist())) / len(tokens))
    return _short(float(np.mean(shares))) if shares else None


def _short(number: float) -> float:
    """Four digits: more would be noise."""
    return float(f"{number:.4g}")
