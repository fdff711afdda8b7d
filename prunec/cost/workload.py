"""What a latency is of: phase, batch, sequence, past and threads."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from prunec.errors import InputError

PHASES = ("encode", "prefill", "decode")
DECODE = PHASES[2]


@dataclass(frozen=True)
class Workload:
    """One request shape on one device.

    Attributes:
        phase: `encode` (an encoder's whole pass), `prefill` (a decoder's pass over a prompt) or `decode` (its next
            token, after others whose keys and values are cached).
        batch: sequences per request.
        sequence: new tokens per sequence.
        threads: intra-operator threads of the runtime.
        past: tokens per sequence that are cached.
    """

    phase: str
    batch: int
    sequence: int
    threads: int
    past: int = 0

    @staticmethod
    def parse(text: str, threads: int | None = None) -> Workload:
        """Read `encode:1x128` or `decode:1@512`; `threads` defaults to the processors this process may use.

        Raises:
            InputError: the text is neither `PHASE:BATCHxSEQUENCE` nor `decode:BATCH@PAST`, or threads is not positive.
        """
        match = re.fullmatch(r"([a-z]+):(\d+)([x@])(\d+)", text.strip())
        if (
            not match
            or match[1] not in PHASES
            or (match[1] == DECODE) != (match[3] == "@")
            or not int(match[2]) * int(match[4])
        ):
            raise InputError(
                f"workload '{text}' is not understood",
                "write encode:BATCHxSEQUENCE, prefill:BATCHxSEQUENCE or decode:BATCH@PAST, such as prefill:1x128 or "
                "decode:1@512",
            )
        threads = default_threads() if threads is None else threads
        if threads < 1:
            raise InputError(f"--threads {threads} is not a positive number", "give 1 or more")
        batch, length = int(match[2]), int(match[4])
        if match[1] == DECODE:
            return Workload(DECODE, batch, 1, threads, length)
        return Workload(match[1], batch, length, threads)

    def __str__(self) -> str:
        shape = f"@{self.past}" if self.phase == DECODE else f"x{self.sequence}"
        return f"{self.phase}:{self.batch}{shape}"

    @property
    def tokens(self) -> int:
        """Tokens per sequence in all, cached ones included."""
        return self.past + self.sequence


def default_threads() -> int:
    """The processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
