"""Progress of a compile: a live line with the time left on a terminal; elsewhere nothing, or sparse plain lines."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from prunec.report.units import duration

PLAIN_SECONDS = 15.0
"""Off a terminal, the shortest time between two lines about the same work."""
LONG_SECONDS = 2.0
"""Time left is worth guessing only after this long."""
REFRESHES_PER_SECOND = 4
"""Few, because latencies are measured meanwhile."""
BAR = 16


class Reporter:
    """The `Progress` of passbase on a console, as a context manager, with stages besides.

    On a terminal what is under way is a live line, and a stage that ended stays as one. Elsewhere, where a log or
    another program reads, there is nothing of either unless `verbose`: then what is under way has a line when it
    starts, and at most one every `PLAIN_SECONDS`. Notes and warnings are always printed.

    Args:
        console: where to write; usually standard error.
        verbose: whether progress is written where there is no terminal.
        clock: seconds, for tests.
    """

    def __init__(self, console: Console, *, verbose: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._shown = console.is_terminal or verbose
        self._clock = clock
        self._work, self._done, self._total = "", 0, 0
        self._started = self._said = clock()
        self._spinner = Spinner("dots")
        self._live = Live(
            get_renderable=self._live_line,
            console=console,
            transient=True,
            refresh_per_second=REFRESHES_PER_SECOND,
            redirect_stdout=False,
        )

    def __enter__(self) -> Reporter:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def begin(self, name: str) -> None:
        """Work that cannot be counted starts: `name`."""
        self.item(name, 0, 0)

    def end(self, name: str, seconds: float, log: str = "", round: int = 1) -> None:
        """Stage `name` took `seconds` and logged `log`; a `round` above 1 is said. Cut to a terminal's width."""
        label = f"{name}, round {round}" if round > 1 else name
        line = Text.assemble((label.ljust(24), "bold"), f"{duration(seconds):>11}  ", (log, "dim"))
        line.rstrip()
        if self._shown:
            self._print(line, one_line=self._console.is_terminal)
        self._work, self._done, self._total, self._started = "", 0, 0, self._clock()

    def item(self, text: str, done: int, total: int) -> None:
        """`done` of `total` steps of `text` are finished."""
        now = self._clock()
        fresh = text != self._work
        if fresh:
            self._work, self._started = text, now
        self._done, self._total = done, total
        if self._shown and not self._console.is_terminal and (fresh or now - self._said >= PLAIN_SECONDS):
            self._said = now
            self._print(Text(self._line()))

    def note(self, text: str) -> None:
        """Something worth a line."""
        self._print(Text(text))

    def warn(self, text: str) -> None:
        """Something the user should know."""
        self._print(Text.assemble(("warning: ", "bold yellow"), text))

    def _print(self, text: Text, one_line: bool = False) -> None:
        """Cut to `one_line`, or wrapped to a terminal's width; whole elsewhere."""
        if one_line:
            self._console.print(text, highlight=False, no_wrap=True, overflow="ellipsis")
        else:
            self._console.print(text, highlight=False, soft_wrap=not self._console.is_terminal)

    def _live_line(self) -> Text:
        full = BAR * self._done // self._total if self._total else 0
        bar = Text.assemble(("━" * full, "cyan"), ("━" * (BAR - full), "dim"), "  ") if self._total else Text()
        frame = self._spinner.render(time.monotonic())
        assert isinstance(frame, Text)
        return Text.assemble(frame, " ", bar, self._line(), no_wrap=True, overflow="ellipsis")

    def _line(self) -> str:
        """What is under way: how far, for how long, and how long it may still take."""
        parts = [self._work or "working"]
        if self._total and self._done:
            parts.append(f"{self._done} of {self._total}")
        elapsed = self._clock() - self._started
        if elapsed >= LONG_SECONDS:
            parts.append(duration(elapsed))
            if 0 < self._done < self._total:
                parts.append(f"about {duration(elapsed * (self._total - self._done) / self._done)} left")
        return "  ".join(parts)
