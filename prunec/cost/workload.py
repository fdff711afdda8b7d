"""What a latency is of: phase, batch, sequence, past and threads."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from prunec.errors import InputError

PHASES = ("encode", "prefill", "decode")
DECODE = PHASES[2]
SIGNS = {"encode": ("x", None), "prefill": ("x",), DECODE: ("@",)}
"""What may stand between the batch and the length, by phase; None where there need be no length."""
LENGTH = 128
"""Tokens a sequence where nothing says how many: what a request without a length counts as where tokens are counted."""


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
        sized: whether requests have a length; those of images have none.
    """

    phase: str
    batch: int
    sequence: int
    threads: int
    past: int = 0
    sized: bool = True

    @staticmethod
    def parse(text: str, threads: int | None = None) -> Workload:
        """Read `encode:1x128`, `encode:1` or `decode:1@512`; `threads` defaults to the processors of this process.

        Raises:
            InputError: the text is neither `PHASE:BATCHxSEQUENCE` nor `encode:BATCH` nor `decode:BATCH@PAST`, or
                threads is not positive.
        """
        match = re.fullmatch(r"([a-z]+):(\d+)(?:([x@])(\d+))?", text.strip())
        if not match or match[3] not in SIGNS.get(match[1], ()) or not int(match[2]) * int(match[4] or 1):
            raise InputError(
                f"workload '{text}' is not understood",
                "write encode:BATCHxSEQUENCE, prefill:BATCHxSEQUENCE or decode:BATCH@PAST, such as prefill:1x128 or "
                "decode:1@512; for images encode:BATCH",
            )
        threads = default_threads() if threads is None else threads
        if threads < 1:
            raise InputError(f"--threads {threads} is not a positive number", "give 1 or more")
        batch, length = int(match[2]), int(match[4] or LENGTH)
        if match[1] == DECODE:
            return Workload(DECODE, batch, 1, threads, length)
        return Workload(match[1], batch, length, threads, sized=match[3] is not None)

    def __str__(self) -> str:
        length = f"@{self.past}" if self.phase == DECODE else f"x{self.sequence}"
        return f"{self.phase}:{self.batch}{length if self.sized else ''}"

    @property
    def tokens(self) -> int:
        """Tokens per sequence in all, cached ones included."""
        return self.past + self.sequence


def default_threads() -> int:
    """The processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
