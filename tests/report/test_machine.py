"""What a report says about where it was made."""

from __future__ import annotations

import platform
import subprocess
import sys

import numpy as np

from prunec.report.machine import this_machine, versions


def test_versions_are_those_installed() -> None:
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__


def test_versions_are_read_without_importing_anything() -> None:
    code = "import sys, prunec.report.machine as m; m.versions(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_machine_is_described() -> None:
    machine = this_machine(threads=3)
    assert machine.threads == 3
    assert machine.cpu
    assert machine.cores >= 1
    assert machine.memory_bytes > 2**28
