"""The help of every command shows how it is typed."""

from __future__ import annotations

import re
import shlex

import pytest
import typer

from prunec import cli
from tests.docs.parsing import parsed


def examples(name: str) -> list[str]:
    """The commands in the help of `name`, without what is said of them behind a few blanks."""
    text = typer.main.get_command(cli.COMMANDS[name]).help or ""
    return [re.split(r" {3,}", line.strip())[0] for line in text.splitlines() if line.startswith("  prunec ")]


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_help_has_an_example_of_the_command(name: str) -> None:
    begun = "prunec ./" if name == "compile" else f"prunec {name} "
    assert any(line.startswith(begun) for line in examples(name))


@pytest.mark.parametrize(
    "line", sorted({line for name in cli.COMMANDS for line in examples(name) if "--help" not in line})
)
def test_an_example_is_read_by_its_command(line: str) -> None:
    parsed(shlex.split(line)[1:])


def test_the_main_help_leads_to_every_other_command() -> None:
    led = {line.split()[1] for line in examples("compile")}
    assert led >= cli.COMMANDS.keys() - {"compile"}
