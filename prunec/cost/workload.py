"""What a latency is of: phase, batch, sequence and threads."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from prunec.errors import InputError

PHASES = ("encode", "prefill")


@dataclass(frozen=True)
class Workload:
    """One request shape on one device.

    Attributes:
        phase: `encode` (an encoder's whole pass) or `prefill` (a decoder's pass over a prompt).
        batch: sequences per request.
        sequence: tokens per sequence.
        threads: intra-operator threads of the runtime.
    """

    phase: str
    batch: int
    sequence: int
    threads: int

    @staticmethod
    def parse(text: str, threads: int | None = None) -> Workload:
        """Read `encode:1x128`; `threads` defaults to the processors this process may use.

        Raises:
            InputError: the text is not `PHASE:BATCHxSEQUENCE`, or threads is not positive.
        """
        match = re.fullmatch(r"([a-z]+):(\d+)x(\d+)", text.strip())
        if not match or match[1] not in PHASES or not int(match[2]) or not int(match[3]):
            raise InputError(
                f"workload '{text}' is not understood",
                f"write PHASE:BATCHxSEQUENCE with a phase of {' or '.join(PHASES)}, such as prefill:1x128",
            )
        threads = default_threads() if threads is None else threads
        if threads < 1:
            raise InputError(f"--threads {threads} is not a positive number", "give 1 or more")
        return Workload(match[1], int(match[2]), int(match[3]), threads)

    def __str__(self) -> str:
        return f"{self.phase}:{self.batch}x{self.sequence}"


def default_threads() -> int:
    """The processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
