"""The page on errors quotes messages that the code still has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "guide" / "troubleshooting.md"
_TERM = re.compile(r"^(`{1,2})(.+)\1$", re.MULTILINE)
_INSIDE = re.compile(r"`([^`]*…[^`]*)`")
MARK = "…"
"""Stands for what a message fills in."""


def quoted() -> list[str]:
    """The messages that the page explains, and those that it names in passing."""
    text = PAGE.read_text(encoding="utf-8").split("\n## ", 1)[1]
    terms = [found[2] for found in _TERM.finditer(text)]
    explained = "\n".join(line for line in text.splitlines() if not _TERM.fullmatch(line))
    named = [found[1] for found in _INSIDE.finditer(explained)]
    return [*terms, *(" ".join(item.split()) for item in named if not item.startswith("prunec "))]


@cache
def messages() -> tuple[str, ...]:
    """What errors in the code say first, and warnings, with marks for what they fill in."""
    files = [path for folder in ("prunec", "passes", "backends") for path in (ROOT / folder).rglob("*.py")]
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in files)
    return tuple(text for tree in trees for text in _first_arguments(tree))


def _first_arguments(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called.endswith("Error") or called == "warn":
                yield _text(node.args[0])


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else MARK for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else ""


@pytest.mark.parametrize("message", quoted())
def test_a_quoted_message_is_in_the_code(message: str) -> None:
    assert any(message.strip() in text for text in messages()), message


def test_the_page_quotes_most_kinds_of_trouble() -> None:
    assert len(quoted()) > 60
