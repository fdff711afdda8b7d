"""What pass tests share: a tiny Llama, a tiny BERT, and a context."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prunec.calibration.batching import Batches
from prunec.calibration.labels import LABELS
from prunec.passbase import Context
from tests.passes.cases import Case, load_case


@pytest.fixture(scope="session")
def llama(tiny_llama_dir: Path) -> Case:
    """KV groups and gated neurons, without biases."""
    return load_case(tiny_llama_dir)


@pytest.fixture(scope="session")
def decoder(tiny_llama_dir: Path) -> Case:
    """The Llama with its key-value cache."""
    return load_case(tiny_llama_dir, with_cache=True)


@pytest.fixture(scope="session")
def bert(tiny_bert_dir: Path) -> Case:
    """Heads and neurons with biases, norms behind the residual addition, padded text."""
    return load_case(tiny_bert_dir)


@pytest.fixture(scope="session")
def classifier(tiny_classifier_dir: Path) -> Case:
    """Heads and neurons of a BERT that tells three classes apart; random texts with random labels."""
    found, generator = load_case(tiny_classifier_dir), torch.Generator().manual_seed(2)

    def labelled(part: Batches) -> Batches:
        return tuple({**batch, LABELS: torch.randint(3, (4,), generator=generator)} for batch in part)

    corpus = found.corpus
    score, choose, report = labelled(corpus.score), labelled(corpus.choose), labelled(corpus.report)
    return replace(found, corpus=replace(corpus, score=score, choose=choose, report=report))


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
