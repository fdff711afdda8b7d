"""Nothing is timed while the environment holds torch to fewer threads than the runtime gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.bench.frontier import begin
from tools.bench.threads import enough_threads


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.bench.threads.default_threads", lambda: 2)
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.parametrize("threads", [None, 2, 8])
def test_fewer_threads_than_the_runtime_gets_are_refused(threads: int | None) -> None:
    with pytest.raises(SystemExit, match="OMP_NUM_THREADS=1 leaves torch 1 of 2 threads"):
        enough_threads(threads)


def test_as_many_threads_as_the_runtime_gets_are_enough() -> None:
    enough_threads(1)


def test_threads_that_torch_takes_of_itself_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    enough_threads()


def test_a_compile_is_not_measured_on_too_few_threads(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="unset it"):
        begin(tmp_path, "minilm-l6", None, tmp_path)
