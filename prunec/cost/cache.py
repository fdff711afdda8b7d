"""Cost tables that outlive the run: one small JSON file each, in a folder."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from prunec.cost.workload import default_threads
from prunec.errors import InputError
from prunec.files import write_text
from prunec.passbase import Progress, Silent

Key = Mapping[str, object]
"""What a table holds for: plain JSON data, such as machine, runtime, workload and what was timed."""

Table = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Kept:
    """A table, and what it was scaled by when it was timed so that the whole model's latency came out."""

    table: Table
    scale: float


@dataclass(frozen=True)
class TableCache:
    """A folder of tables.

    Attributes:
        folder: where they are; made when the first is kept.
        progress: told of files that cannot be read or written, which are no reason to fail.
    """

    folder: Path
    progress: Progress = field(default_factory=Silent)

    def read(self, key: Key) -> Kept | None:
        """What is kept under `key`, or None."""
        path = self._path(key)
        if not path.exists():
            return None
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return Kept(tuple((int(size), float(cost)) for size, cost in found["table"]), float(found["scale"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.progress.note(f"{path} is damaged ({type(error).__name__}): it is measured again")
            return None

    def write(self, key: Key, kept: Kept) -> None:
        """Keep it under `key`."""
        path = self._path(key)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps({"key": dict(key), "table": kept.table, "scale": kept.scale}, indent=1))
        except (InputError, OSError) as error:
            self.progress.warn(f"a cost table could not be kept: {error}")

    def _path(self, key: Key) -> Path:
        digest = hashlib.sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()
        return self.folder / f"{digest[:24]}.json"


@cache
def machine_id() -> str:
    """The processor, and how many of its cores this process may use: latencies hold for these."""
    return f"{cpu_model()}, {default_threads()} cores, {platform.system()} {platform.machine()}"


def cpu_model() -> str:
    """The processor's name: Linux keeps it in a file, elsewhere Python knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
