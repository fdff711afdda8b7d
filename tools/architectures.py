"""Judge the zoo, each case in a process of its own kind, and write the table of what works.

    python -m tools.architectures --results .cache/architectures.jsonl --page docs/architectures.md

judges every visible case; `--all` every case there is, names only those. Each finished case is a line of the results
file; cases that have one already are not judged again, so that a run that was stopped goes on where it was. Remove the
file after a change to the code.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

from tests.zoo.cases import VISIBLE, case_named, cases
from tests.zoo.judge import Judgement, judgement_from
from tests.zoo.sample import SAMPLE
from tools.architectures_page import page
from tools.workers import ask_all

LIMIT = 300
"""Seconds for one case."""


def answer(asked: tuple[str, bool]) -> dict[str, object]:
    """Judge the case `(name, onnx)`."""
    return judge_case(*asked).as_data()


def judge_case(name: str, onnx: bool) -> Judgement:
    """Build and judge one case; what goes wrong is in the judgement."""
    from prunec.frontends.diagnosis import first_line
    from prunec.frontends.trace import quiet
    from tests.zoo.axes import dynamic_axes
    from tests.zoo.judge import judge

    with quiet():
        try:
            model, inputs = case_named(name).build()
        except Exception as error:  # some need packages that are not here, some configs cannot be made small
            return Judgement(name, trouble=f"build: {first_line(error)}")
        return judge(name, model, inputs, dynamic_axes(inputs), onnx=onnx)


def judge_all(names: list[str], onnx: set[str], jobs: int, limit: float) -> Iterator[Judgement]:
    """The judgements of the cases `names`, as they are done; those in `onnx` run in ONNX Runtime, too."""
    questions = [(name, name in onnx) for name in names]
    for found in ask_all(answer, questions, lambda asked, why: Judgement(asked[0], trouble=why).as_data(), jobs, limit):
        yield judgement_from(found)


def read(path: Path) -> dict[str, Judgement]:
    """The judgements in a results file, by case; the last line of a case counts."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    judged = [judgement_from(json.loads(line)) for line in lines]
    return {item.case: item for item in judged}


def main(arguments: list[str] | None = None) -> None:
    """Judge what is not judged yet; write the page of what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="names such as bert:masked_lm; every visible case by default")
    parser.add_argument("--all", action="store_true", help="every case of the zoo, visible or not")
    parser.add_argument("--results", type=Path, required=True, help="JSON lines, one a case, added to")
    parser.add_argument("--page", type=Path, help="Markdown page, written anew")
    parser.add_argument("--onnx", choices=("sample", "all", "none"), default="sample", help="what runs in ONNX Runtime")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for one case")
    given = parser.parse_args(arguments)
    asked = given.cases or ([case.name for case in cases()] if given.all else list(VISIBLE))
    judged = read(given.results)
    missing = [name for name in asked if name not in judged]
    onnx = {"sample": set(SAMPLE), "all": set(asked), "none": set()}[given.onnx]
    given.results.parent.mkdir(parents=True, exist_ok=True)
    with given.results.open("a", encoding="utf-8") as lines:
        for found in judge_all(missing, onnx, given.jobs, given.limit) if missing else ():
            judged[found.case] = found
            lines.write(json.dumps(found.as_data()) + "\n")
            lines.flush()
            done = sum(name in judged for name in asked)
            print(f"[{done}/{len(asked)}] {found.case}: {found.verdict}, {found.seconds:.0f} s", flush=True)
    if given.page:
        given.page.write_text(page([judged[name] for name in asked]), encoding="utf-8")


if __name__ == "__main__":
    main()
