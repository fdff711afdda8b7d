"""The fenced blocks of the documentation: what a reader may copy out of it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from tests.conftest import ROOT

_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_WRITTEN = re.compile(r"^(Written|Drawn) by `[^`]*tools", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: where it is, from the root of the repository.
        line: of the page, where its text begins.
        text: what is in it.
    """

    page: str
    line: int
    text: str


def pages() -> list[Path]:
    """The README and every page of the site that people wrote: the others say that a tool did, and which."""
    every = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in every if not _WRITTEN.search(path.read_text(encoding="utf-8"))]


def blocks(language: str) -> Iterator[Block]:
    """Every block of `language`, page by page."""
    for path in pages():
        text = path.read_text(encoding="utf-8")
        for found in _FENCE.finditer(text):
            if found[2] == language:
                line = text.count("\n", 0, found.start(3)) + 1
                yield Block(path.relative_to(ROOT).as_posix(), line, dedent(found[3]))


def commands() -> dict[str, Block]:
    """Every distinct command, without its comment, and the first block that it is in."""
    found: dict[str, Block] = {}
    for block in blocks("sh"):
        for line in block.text.splitlines():
            if words := shlex.split(line, comments=True):
                found.setdefault(shlex.join(words), block)
    return found
