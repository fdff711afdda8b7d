"""How a command works: progress on standard error, and libraries that keep quiet and off the network."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from prunec.report.progress import Reporter


@contextmanager
def at_work(*, quiet: bool, verbose: bool) -> Iterator[Reporter]:
    """Progress on standard error, unless `quiet`, and off a terminal only where `verbose`.

    What libraries print on standard output is kept off it.

    Whatever imports them belongs inside.
    """
    settle_libraries(verbose)
    from prunec.report.progress import Reporter

    progress = Reporter(Console(stderr=True, quiet=quiet), verbose=verbose)
    with progress, Path(os.devnull).open("w") as nowhere, redirect_stdout(sys.stderr if verbose else nowhere):
        progress.begin("loading the libraries")
        yield progress


def settle_libraries(verbose: bool) -> None:
    """What libraries read as they are imported: no network, and unless `verbose` no bars, banners or warnings."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # OpenMP threads that spin while they wait take the cores from whoever has work: beside another busy process a
    # compile of a small encoder took 8.6 minutes instead of 1.4.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if not verbose:
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
        os.environ["TRANSFORMERS_VERBOSITY"] = "error"
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
