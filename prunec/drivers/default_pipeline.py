"""The pipeline of a compile where no other is given: its text, as the options shape it."""

from __future__ import annotations

from pathlib import Path

from prunec import catalogue
from prunec.calibration.pathfile import load_findings
from prunec.cost.numerics import ROUNDED
from prunec.cost.sweep import search_name
from prunec.errors import InputError
from prunec.facts import Damage, Scores, SolutionPath
from prunec.options import TRAINING, Options
from prunec.pipeline.syntax import spelled

SEARCH = "knapsack"
"""The default search."""
PATH_SEARCH = "path"
"""The search that goes by a solution path."""
UNIFORM_SEARCH = "same-shape"
"""The search for plans that stock loaders take."""
WEAKNESS = 3.0
"""How much more an item counts, in recovery by weakness, that was right and is wrong."""


def default_pipeline(options: Options, *, text_given: bool = False) -> str:
    """The text of the default pipeline.

    Text that the user gave is read first, so that it fails first; text that the model must write comes
    after the floor is known, unless what is timed is rounded by it. A search that needs no scores gets none, and one
    that needs no damage none of that. What a path file holds takes their place, and decides on the search where none is
    given.

    Raises:
        InputError: there is no such search, it has no use for what is asked for, or the path file cannot be used.
    """
    measure = ["baseline", "cost"]
    rounds = options.dtype in ROUNDED
    order = ["calibrate", *(["grain"] if rounds else []), *measure] if text_given or rounds else [*measure, "calibrate"]
    search = _uniform_search(options) if options.uniform else options.search or _kept_search(options.path)
    improved = [f"evolve{{{options.effort}}}"] if options.effort else []
    weighed = ["coarsen"] * (rounds and Damage in catalogue.find_search(search).needs)
    choice = [*_findings(search, options), search, *weighed, *improved]
    repair = recovery_steps(options.repair, options.distill_minutes)
    smoothed, rivals = ["smooth"] * rounds, ["plain-export", "rival"] * (not options.no_rival)
    rest = [*choice, "remove", "settle", *repair, *smoothed, "emit", "verify", *rivals, "evaluate"]
    outlook = ["outlook"] * (search == SEARCH)
    known = ["weakness"] if options.repair == "weakness" else []
    return ", ".join(["structure", *order, *rest, *known, *outlook])


def importance_step(criterion: str | None, ema: float | None) -> str:
    """The text of the pass that scores by `criterion`, as moving averages where `ema` is given."""
    settings = [spelled(criterion)] if criterion else []
    settings += [f"ema={ema!r}"] if ema is not None else []
    return f"importance{{{', '.join(settings)}}}" if settings else "importance"


def recovery_steps(recover: str, minutes: float | None) -> list[str]:
    """The texts of the passes that repair what is left, training within `minutes` where they are given."""
    if recover not in TRAINING:
        return [f"recover{{{recover}}}"]
    settings = [f"minutes={minutes!r}"] if minutes is not None else []
    settings += [f"weakness={WEAKNESS}"] if recover == "weakness" else []
    return ["recover{lsq}", f"distill{{{', '.join(settings)}}}" if settings else "distill"]


def _uniform_search(options: Options) -> str:
    """The search for uniform plans.

    Raises:
        InputError: another one is asked for, too, or one that would undo it.
    """
    if options.search not in (None, UNIFORM_SEARCH):
        raise InputError("--uniform and --search are both given", "leave one out")
    if options.effort:
        raise InputError("--effort tries plans whose layers differ, and --uniform allows none", "leave one out")
    return UNIFORM_SEARCH


def _kept_search(path: Path | None) -> str:
    """The search for what the file at `path` holds; the default one where there is none."""
    return SEARCH if path is None else search_name(load_findings(path).facts)


def _findings(search: str, options: Options) -> list[str]:
    """The texts of the passes that find out what `search` goes by, or read it from a path file, and keep it.

    Raises:
        InputError: there is no such search, or it has no use for what is asked for.
    """
    needs, path, keep = catalogue.find_search(search).needs, options.path, options.save_path
    for flag, value, fact, noun in (
        ("--importance", options.importance, Scores, "scores"),
        ("--ema", options.ema, Scores, "scores"),
        ("--effort", options.effort, Damage, "measured damage"),
    ):
        if value and fact not in needs:
            raise InputError(
                f"{flag} goes by {noun}, and --search {search} uses none", f"leave {flag} out, or search by {SEARCH}"
            )
        if value and path and fact is Scores:
            raise InputError(f"{flag} says how units are scored, and --path {path} holds scores", f"leave {flag} out")
    steps = [importance_step(options.importance, options.ema)] if Scores in needs else []
    steps += ["damage"] * (Damage in needs) + ["solution-path"] * (SolutionPath in needs)
    if (path or keep) and not steps:
        raise InputError(
            f"--search {search} goes by nothing that a path file holds", f"search by {SEARCH} or {PATH_SEARCH}"
        )
    if path:
        if {Scores, Damage, SolutionPath}.intersection(needs) - load_findings(path).facts.keys():
            raise InputError(f"{path} holds nothing that --search {search} goes by", "leave --search out")
        steps = [f"load-path{{{spelled(str(path))}}}"]
    return [*steps, f"save-path{{{spelled(str(keep))}}}"] if keep else steps
