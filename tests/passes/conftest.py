"""What pass tests share: a tiny Llama, a tiny BERT, and a context."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunec.passbase import Context
from tests.passes.cases import Case, load_case


@pytest.fixture(scope="session")
def llama(tiny_llama_dir: Path) -> Case:
    """KV groups and gated neurons, without biases."""
    return load_case(tiny_llama_dir)


@pytest.fixture(scope="session")
def bert(tiny_bert_dir: Path) -> Case:
    """Heads and neurons with biases, norms behind the residual addition, padded text."""
    return load_case(tiny_bert_dir)


@pytest.fixture(params=["llama", "bert"])
def case(request: pytest.FixtureRequest) -> Case:
    """Both, by turns."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Case)
    return found


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A context whose folders are the test's own."""
    (tmp_path / "scratch").mkdir()
    return Context(scratch=tmp_path / "scratch", cache=tmp_path / "cache")
