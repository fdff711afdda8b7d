"""Tiny models, loaded once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from prunec.frontends.huggingface import load
from prunec.frontends.loaded import Loaded


@pytest.fixture(scope="session")
def llama(tiny_llama_dir: Path) -> Loaded:
    """The tiny Llama, loaded."""
    return load(tiny_llama_dir)


@pytest.fixture(scope="session")
def bert_features(tiny_bert_dir: Path) -> Loaded:
    """The tiny masked-language BERT, loaded as an encoder."""
    return load(tiny_bert_dir, task="feature-extraction")


@pytest.fixture
def llama_copy(tiny_llama_dir: Path, tmp_path: Path) -> Path:
    """The tiny Llama's directory, to damage."""
    return Path(shutil.copytree(tiny_llama_dir, tmp_path / "model"))
