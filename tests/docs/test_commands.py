"""Every command and every piece of Python in the README and the documentation does what it says, as it is written."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch
from transformers import AutoModel

from prunec import cli
from tests.conftest import ROOT
from tests.docs.blocks import Block, blocks, commands
from tests.docs.parsing import parsed
from tests.docs.quick import expanded, loading_once, make_room, no_footprint, outputs, quickened
from tests.docs.worlds import world

NOT_RUN = {
    "pip install .": "the package is installed already, and tests/test_packaging.py builds it",
    "hf download sentence-transformers/all-MiniLM-L6-v2 --local-dir minilm-l6": "needs the network",
    "./dev demo": "needs the network and minutes",
    "./dev test": "is what runs this",
}
"""Commands of other programs, and why no test runs them."""
PARSED = {
    "drop-smallest": "a pass that a reader's own package brings",
    "--device cuda": "needs a GPU; without one it is an error, which has a test",
}
"""What stands in a command that is read by the parser alone, and why."""
MEASURE = ("bench", "eval", "run")
"""Commands that read artifacts, which are real ones."""
ENCODES = re.compile(r"encode:|minilm")
SEVERAL = re.compile(r"--(?:speedup|budget-\w+|keep|keep-rows) \S+,")
WRITTEN = commands()

Worlds = Callable[[bool], Path]

pytestmark = pytest.mark.usefixtures("settled")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Worlds:
    """The two worlds, each made when it is first asked for."""
    folder = tmp_path_factory.mktemp("worlds")

    @cache
    def made(encodes: bool) -> Path:
        return world(folder / ("encodes" if encodes else "decodes"), encodes)

    return made


def enter(source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a copy of a world the working folder."""
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("cache"))
    monkeypatch.chdir(folder)


def of_prunec() -> list[str]:
    return [command for command in WRITTEN if command.startswith("prunec ")]


@pytest.mark.parametrize("command", [item for item in of_prunec() if not any(part in item for part in PARSED)])
def test_a_command_does_what_it_says(
    command: str, worlds: Worlds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, folder = worlds(bool(ENCODES.search(command))), tmp_path / "here"
    enter(source, folder, monkeypatch)
    monkeypatch.setattr("prunec.drivers.benchmark.footprint", no_footprint)
    words = expanded(command, folder)[1:]
    make_room(folder, words)
    with ExitStack() as stack:
        stack.enter_context(loading_once(source))
        if words[0] not in MEASURE:
            stack.enter_context(quickened())
        assert cli.main(words) == 0
    for name in outputs(words):
        stem, dot, suffix = name.rpartition(".")
        several = SEVERAL.search(command) and name.endswith((".onnx", ".ken"))
        assert list(folder.glob(f"{stem}-*{dot}{suffix}" if several else name)), name


def test_every_other_command_is_known_and_is_written() -> None:
    assert {command for command in WRITTEN if not command.startswith("prunec ")} == NOT_RUN.keys()
    assert all(any(part in command for command in WRITTEN) for part in PARSED)


@pytest.mark.parametrize("command", [item for item in of_prunec() if any(part in item for part in PARSED)])
def test_a_command_that_is_not_run_is_one(command: str) -> None:
    parsed(shlex.split(command)[1:])


def python_pages() -> dict[str, list[Block]]:
    """The pieces of Python of each page, in order."""
    found: dict[str, list[Block]] = {}
    for block in blocks("python"):
        found.setdefault(block.page, []).append(block)
    return found


@pytest.mark.parametrize("page", python_pages())
def test_the_python_of_a_page_runs(
    page: str, worlds: Worlds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = worlds(page != "README.md")
    enter(source, tmp_path / "here", monkeypatch)
    make_room(tmp_path / "here", ["-o", "slim.onnx"])
    module, draw = AutoModel.from_pretrained(source / "BASE").eval(), torch.Generator().manual_seed(0)
    ids = torch.randint(5, 300, (4, 16), generator=draw)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    # Dataclasses look up the module that they are in.
    here = ModuleType("here")
    monkeypatch.setitem(sys.modules, "here", here)
    here.__dict__.update(module=module, inputs=inputs, batches=[inputs] * 4)
    with loading_once(source), quickened():
        for block in python_pages()[page]:
            filled = "\n" * (block.line - 1) + block.text
            exec(compile(filled, str(ROOT / page), "exec"), here.__dict__)
    assert capsys.readouterr().out
