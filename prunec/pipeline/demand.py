"""Analyses on demand: what must run before a pass so that its needs are met."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set

from prunec.errors import PassError
from prunec.passbase import Pass
from prunec.pipeline.spec import required_options

Givers = Callable[[type], Sequence[type[Pass]]]
"""The installed passes that may give a type of fact."""


def demanded(step: Pass, have: Set[type], givers: Givers) -> list[Pass]:
    """The analyses, in order, that `step` needs run before it when the facts `have` are there.

    Raises:
        PassError: a need is not there, and not one analysis alone can be run with its defaults to give it.
    """
    return _demanded(step, set(have), givers, (type(step),))


def check_needs(steps: Iterable[Pass], have: Set[type], givers: Givers) -> None:
    """Follow the facts through a pipeline before any of it runs.

    Raises:
        PassError: a pass will lack a fact, supposing that the others give all that they may.
    """
    known = set(have)
    for step in steps:
        for pre in [*demanded(step, known, givers), step]:
            if pre.rewrites:
                known = {kind for kind in known if issubclass(kind, pre.keeps)}
            known |= set(pre.gives)


def _demanded(step: Pass, have: set[type], givers: Givers, path: tuple[type[Pass], ...]) -> list[Pass]:
    before: list[Pass] = []
    for need in step.needs:
        if need in have:
            continue
        candidates = [giver for giver in givers(need) if giver not in path]
        analyses = [giver for giver in candidates if not giver.rewrites and not required_options(giver)]
        if len(analyses) != 1:
            raise _unmet(step, need, candidates)
        analysis = analyses[0]()
        before += [*_demanded(analysis, have, givers, (*path, analyses[0])), analysis]
        have |= set(analysis.gives)
    return before


def _unmet(step: Pass, need: type, candidates: Sequence[type[Pass]]) -> PassError:
    names = sorted(candidate.name for candidate in candidates)
    if not names:
        fix = "no installed pass gives it"
    elif len(names) == 1:
        options = "".join(f"{{{', '.join(f'{key}=...' for key in required_options(candidates[0]))}}}")
        fix = f"put `{names[0]}{options if options != '{}' else ''}` before it"
    else:
        fix = f"put one of {', '.join(f'`{name}`' for name in names)} before it"
    return PassError(f"pass `{step.name}` needs {need.__name__}, and no pass before it gives it", fix)
