"""Processes that answer: they are replaced where they die or take too long, and every question has an outcome."""

from __future__ import annotations

import os
import time

import pytest

from tools.workers import LostError, Worker, ask_all


def answer(asked: int) -> int:
    """Twice `asked`; dies of 13, and takes ten minutes over 600."""
    if asked == 13:
        os._exit(1)
    if asked == 600:
        time.sleep(600)
    return 2 * asked


def test_a_process_that_dies_or_takes_too_long_is_replaced() -> None:
    worker = Worker(answer, limit=30)
    try:
        assert worker.ask(4) == 8
        with pytest.raises(LostError, match="crash: the process died"):
            worker.ask(13)
        assert worker.ask(5) == 10
        worker._limit = 0.01
        with pytest.raises(LostError, match=r"time: no answer within 0\.01 s"):
            worker.ask(600)
    finally:
        worker.stop()


def test_every_question_has_an_answer_or_what_is_said_of_a_lost_one() -> None:
    found = ask_all(answer, [1, 13, 2], lambda asked, why: (asked, why), jobs=2, limit=30)
    assert set(found) == {2, 4, (13, "crash: the process died")}
