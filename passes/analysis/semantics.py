"""`semantics`: which tokens each unit answers to, and which tokens a plan forgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from prunec.calibration.attribution import Carriers, Loss, answers, relative
from prunec.calibration.corpus import Corpus
from prunec.calibration.executor import collect
from prunec.calibration.objective import Goal
from prunec.calibration.tokensums import TokenResponses, frequent_tokens
from prunec.errors import InputError
from prunec.facts import Answers, Attribution, Family, Forgetting, Plan, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

MEMORY = 400_000_000
"""Bytes that sums by unit and token may take: models of many units tell fewer tokens apart."""
FEWEST = 10
"""Tokens below which nothing can be said of what a unit prefers."""


@dataclass(frozen=True)
class SemanticsPass(Pass):
    """Attribute units to the tokens of the scoring text; with a plan, say which tokens it forgets.

    Attributes:
        top: tokens that a unit answers to at most.
        least: occurrences below which a token is not told apart.
        most: tokens that are told apart at most.
        carriers: the share of all units that carry a token.
    """

    name: ClassVar[str] = "semantics"
    needs: ClassVar[tuple[type, ...]] = (Structure, Corpus, Goal)
    reads: ClassVar[tuple[type, ...]] = (Plan,)
    gives: ClassVar[tuple[type, ...]] = (Attribution,)

    top: int = 10
    least: int = 8
    most: int = 2000
    carriers: float = 0.01

    def __post_init__(self) -> None:
        if self.top < 1:
            raise InputError(f"the top {self.top} tokens are none", "give top of 1 or more")
        if self.least < 2:
            raise InputError(f"{self.least} occurrences say nothing of how sure a mean is", "give least of 2 or more")
        if self.most < FEWEST:
            raise InputError(f"{self.most} tokens are too few to compare", f"give most of {FEWEST} or more")
        if not 0 < self.carriers <= 1:
            raise InputError(f"carriers {self.carriers:g} is not a share of units", "give more than 0 and 1 at most")

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Stream the text once, and once more under the masks of the plan.

        Raises:
            InputError: the model reads no tokens, the text has too few that recur, or no unit is read token by token.
        """
        structure, plan = facts[Structure], facts.get(Plan)
        tokens, occurrences, text_tokens = self._tokens(program, structure, facts[Corpus])
        dense = self._read(program, facts, context, tokens)
        families = [family for family in structure.families if family.name in dense]
        if not families:
            raise InputError(
                "no unit of this model is read token by token", "give a model of text with units to remove"
            )
        carriers = Carriers(len(tokens), max(1, round(self.carriers * sum(family.units for family in families))))
        found: dict[str, Answers] = {}
        for family in families:
            response = dense.response(family)
            carriers.offer(response)
            found[family.name] = answers(response, self.top)
        left_out = tuple(family.name for family in structure.families if family not in families)
        if left_out:
            context.progress.warn(f"left out, since it is not read token by token: {', '.join(left_out)}")
        forgetting = None
        if plan is not None:
            del dense  # as large as what the next stream is summed up in
            slim = self._read(program, facts, context, tokens, plan)
            forgetting = self._forgetting(slim, families, found, carriers, plan, structure.gone_with(plan.sublayers))
        given = Attribution(tokens, occurrences, text_tokens, carriers.count, found, left_out, forgetting)
        return PassResult(program, (given,), _log(given))

    def _tokens(self, program: Program, structure: Structure, corpus: Corpus) -> tuple[np.ndarray, np.ndarray, int]:
        """What is told apart, how often each occurs, and the tokens of the text: as `frequent_tokens`."""
        if not any(item.name == "input_ids" for item in program.inputs):
            raise InputError("the model reads no input_ids, so its units answer to no tokens", "give a model of text")
        units = sum(family.units for family in structure.families)
        most = min(self.most, max(FEWEST, MEMORY // (TokenResponses.pair_bytes * max(1, units))))
        tokens, occurrences, text_tokens = frequent_tokens(corpus.score, self.least, most)
        if len(tokens) < FEWEST:
            raise InputError(
                f"of {text_tokens:,} tokens of text only {len(tokens)} different ones occur {self.least} times or more",
                f"give more text: {FEWEST} tokens must recur at the very least",
            )
        return tokens, occurrences, text_tokens

    def _read(
        self, program: Program, facts: Facts, context: Context, tokens: np.ndarray, plan: Plan | None = None
    ) -> TokenResponses:
        """The responses to `tokens`, of what `plan` leaves."""
        responses = TokenResponses(tokens)
        collect(
            program,
            facts[Structure],
            facts[Corpus].score,
            [responses],
            facts[Goal].objective,
            seed=context.seed,
            progress=context.progress,
            plan=plan,
        )
        return responses

    def _forgetting(
        self,
        slim: TokenResponses,
        families: Sequence[Family],
        dense: Mapping[str, Answers],
        carriers: Carriers,
        plan: Plan,
        bypassed: frozenset[str],
    ) -> Forgetting:
        """What `plan` takes from the carriers, where `slim` was read under its masks."""
        loss, after = Loss(carriers), {}
        for family in families:
            response = slim.response(family)
            shares = relative(response, torch.from_numpy(dense[family.name].means))
            gone = torch.zeros(family.units, dtype=torch.bool)
            gone[list(plan.units.get(family.name, ()))] = True
            if family.name in bypassed:  # its units still respond, and nobody hears them
                gone[:], shares = True, torch.zeros_like(shares)
            else:
                after[family.name] = answers(response, self.top)
            loss.add(shares, gone)
        return Forgetting(*loss.shares(), after)


def _log(found: Attribution) -> str:
    units = sum(len(family.means) for family in found.families.values())
    answering = sum(int((family.tokens[:, 0] >= 0).sum()) for family in found.families.values())
    share = found.occurrences.sum() / found.text_tokens
    return f"{answering:,} of {units:,} units answer to one of {len(found.tokens):,} tokens, {share:.0%} of the text"
