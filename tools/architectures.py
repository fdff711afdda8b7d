"""Judge the zoo, each case in a process of its own kind, and write the table of what works.

    python -m tools.architectures --results .cache/architectures.jsonl --page docs/architectures.md

judges every visible case; `--all` every case there is, names only those. Each finished case is a line of the results
file; cases that have one already are not judged again, so that a run that was stopped goes on where it was. Remove the
file after a change to the code.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

from tests.zoo.cases import VISIBLE, case_named, cases
from tests.zoo.judge import Judgement, judgement_from
from tests.zoo.sample import SAMPLE
from tools.architectures_page import page

LIMIT = 300
"""Seconds for one case."""
RENEWED_AFTER = 30
"""Cases after which a process makes place for a new one: tracers keep what they have seen."""

PATIENCE = 5
"""Seconds that an idle process has for leaving."""

SPAWN = multiprocessing.get_context("spawn")


def serve(pipe: Connection) -> None:
    """Judge the cases that come through `pipe`, as `(name, onnx)`, until None comes."""
    import torch

    torch.set_num_threads(1)
    while (asked := pipe.recv()) is not None:
        pipe.send(judge_case(*asked).as_data())
        torch._dynamo.reset()


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


class Worker:
    """A process that judges one case at a time; one that dies or takes too long is replaced."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._start()

    def judge(self, name: str, onnx: bool) -> Judgement:
        """The judgement of the case called `name`."""
        self._done += 1
        if self._done > RENEWED_AFTER:
            self.stop()
            self._start()
        self._pipe.send((name, onnx))
        self._busy = True
        if self._pipe.poll(self._limit):
            try:
                found = judgement_from(self._pipe.recv())
                self._busy = False
                return found
            except EOFError:
                trouble = "crash: the process died"
        else:
            trouble = f"time: not judged within {self._limit:g} s"
        self.stop()
        self._start()
        return Judgement(name, trouble=trouble)

    def stop(self) -> None:
        """End the process: it may leave, and is ended if it does not."""
        with suppress(OSError):  # where it died
            self._pipe.send(None)
        self._pipe.close()
        self._process.join(0 if self._busy else PATIENCE)
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        self._done, self._busy = 0, False
        ours, theirs = SPAWN.Pipe()
        self._pipe: Connection = ours
        self._process = SPAWN.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()


@contextmanager
def pool(size: int, limit: float) -> Iterator[SimpleQueue[Worker]]:
    """Workers to take and to put back; all are ended in the end."""
    workers = [Worker(limit) for _ in range(size)]
    free: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        free.put(worker)
    try:
        yield free
    finally:
        for worker in workers:
            worker.stop()


def judge_all(names: list[str], onnx: set[str], jobs: int, limit: float) -> Iterator[Judgement]:
    """The judgements of the cases `names`, as they are done; those in `onnx` run in ONNX Runtime, too."""
    with pool(min(jobs, len(names)), limit) as free, ThreadPoolExecutor(jobs) as threads:

        def one(name: str) -> Judgement:
            worker = free.get()
            try:
                return worker.judge(name, name in onnx)
            finally:
                free.put(worker)

        for future in as_completed([threads.submit(one, name) for name in names]):
            yield future.result()


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
