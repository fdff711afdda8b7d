"""Progress: a live line with the time left on a terminal; elsewhere nothing, or sparse lines where asked."""

from __future__ import annotations

import io

from rich.console import Console

from prunec.report.progress import Reporter


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def reporter(*, terminal: bool = False, verbose: bool = True, width: int = 80) -> tuple[Reporter, Clock, io.StringIO]:
    """A reporter with a clock to turn and the text it wrote."""
    clock, text = Clock(), io.StringIO()
    console = Console(file=text, width=width, force_terminal=terminal, color_system=None)
    return Reporter(console, verbose=verbose, clock=clock), clock, text


def test_a_stage_that_ended_is_one_line() -> None:
    progress, _, text = reporter()
    with progress:
        progress.end("cost-tables", 121.0, "24 sizes " + "measured " * 10, round=2)
    assert text.getvalue().split()[:6] == ["cost-tables,", "round", "2", "2", "min", "1"]
    assert text.getvalue().count("\n") == 1
    assert text.getvalue().count("measured") == 10


def test_items_off_a_terminal_are_said_when_they_start_and_every_fifteen_seconds() -> None:
    progress, clock, text = reporter()
    with progress:
        for done in range(1, 41):
            progress.item("timing", done, 40)
            clock.now += 1.0
    assert text.getvalue().splitlines() == [
        "timing  1 of 40",
        "timing  16 of 40  15 s  about 22 s left",
        "timing  31 of 40  30 s  about 8.7 s left",
    ]


def test_new_work_is_said_at_once() -> None:
    progress, _, text = reporter()
    with progress:
        progress.begin("reading")
        progress.item("timing", 1, 9)
        progress.item("scoring", 1, 9)
    assert text.getvalue().splitlines() == ["reading", "timing  1 of 9", "scoring  1 of 9"]


def test_off_a_terminal_there_is_nothing_but_notes_and_warnings() -> None:
    progress, clock, text = reporter(verbose=False)
    with progress:
        progress.begin("reading")
        for done in range(1, 41):
            progress.item("timing", done, 40)
            clock.now += 1.0
        progress.end("cost-tables", 121.0, "24 sizes")
        assert not text.getvalue()
        progress.note("measured again")
        progress.warn("noise")
    assert text.getvalue().splitlines() == ["measured again", "warning: noise"]


def test_notes_and_warnings_are_printed_as_they_are() -> None:
    progress, _, text = reporter()
    with progress:
        progress.note("[b]missed[/b] by 3 %")
        progress.warn("noise " * 20)
    assert text.getvalue().splitlines()[0] == "[b]missed[/b] by 3 %"
    assert text.getvalue().splitlines()[1].rstrip() == ("warning: " + "noise " * 20).rstrip()


def test_a_terminal_shows_how_far_and_how_long_on_one_line() -> None:
    progress, clock, text = reporter(terminal=True)
    with progress:
        progress.item("timing", 0, 40)
        clock.now += 30.0
        progress.item("timing", 10, 40)
    assert "━━━━  timing  10 of 40  30 s  about 1 min 30 s left" in text.getvalue()
    assert text.getvalue().endswith("\x1b[2K")


def test_a_terminal_cuts_a_stage_to_its_width() -> None:
    progress, _, text = reporter(terminal=True, width=60)
    progress.end("search", 1.0, "x" * 100)
    assert max(map(len, text.getvalue().splitlines())) == 60


def test_a_terminal_keeps_the_live_line_one_line() -> None:
    progress, _, text = reporter(terminal=True, width=40)
    with progress:
        progress.item("timing " * 20, 1, 2)
    assert text.getvalue().count("\n") == 1
