"""Processes that answer one question at a time; one that dies or takes too long is replaced."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

RENEWED_AFTER = 30
"""Questions after which a process makes place for a new one: tracers keep what they have seen."""
PATIENCE = 5
"""Seconds that an idle process has for leaving."""

SPAWN = multiprocessing.get_context("spawn")
Answer = Callable[[Any], Any]


class LostError(Exception):
    """There is no answer: the process died, or took too long."""


def serve(pipe: Connection, answer: Answer) -> None:
    """Answer what comes through `pipe`, on one thread, until None comes."""
    import torch

    torch.set_num_threads(1)
    while (asked := pipe.recv()) is not None:
        pipe.send(answer(asked))
        torch._dynamo.reset()


class Worker:
    """One such process.

    Args:
        answer: a function of a module, which the process imports; it takes and gives what can be pickled.
        limit: seconds for one answer.
    """

    def __init__(self, answer: Answer, limit: float) -> None:
        self._answer, self._limit = answer, limit
        self._start()

    def ask(self, question: Any) -> Any:
        """The answer to `question`.

        Raises:
            LostError: the process died, or took longer than the limit.
        """
        self._done += 1
        if self._done > RENEWED_AFTER:
            self.stop()
            self._start()
        self._pipe.send(question)
        self._busy = True
        if self._pipe.poll(self._limit):
            try:
                found = self._pipe.recv()
                self._busy = False
                return found
            except EOFError:
                trouble = "crash: the process died"
        else:
            trouble = f"time: no answer within {self._limit:g} s"
        self.stop()
        self._start()
        raise LostError(trouble)

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
        self._process = SPAWN.Process(target=serve, args=(theirs, self._answer), daemon=True)
        self._process.start()
        theirs.close()


def ask_all(
    answer: Answer, questions: Sequence[Any], lost: Callable[[Any, str], Any], jobs: int, limit: float
) -> Iterator[Any]:
    """The answers to `questions` as they come, `jobs` at a time; `lost` makes one of a question and what went wrong."""
    with _pool(answer, min(jobs, len(questions)), limit) as free, ThreadPoolExecutor(jobs) as threads:

        def one(question: Any) -> Any:
            worker = free.get()
            try:
                return worker.ask(question)
            except LostError as error:
                return lost(question, str(error))
            finally:
                free.put(worker)

        for future in as_completed([threads.submit(one, question) for question in questions]):
            yield future.result()


@contextmanager
def _pool(answer: Answer, size: int, limit: float) -> Iterator[SimpleQueue[Worker]]:
    """Workers to take and to put back; all are ended in the end."""
    workers = [Worker(answer, limit) for _ in range(size)]
    free: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        free.put(worker)
    try:
        yield free
    finally:
        for worker in workers:
            worker.stop()
