"""How much memory a stage takes: the process's resident size, sampled while it runs."""

from __future__ import annotations

import threading
from types import TracebackType

import psutil

INTERVAL_S = 0.05


class PeakMemory:
    """Samples the resident set size inside a `with` block; `peak_bytes` holds the largest seen."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._process = psutil.Process()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)

    def __enter__(self) -> PeakMemory:
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()

    def _sample(self) -> None:
        self.peak_bytes = max(self.peak_bytes, self._process.memory_info().rss)

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            self._sample()
