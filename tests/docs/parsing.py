"""Reading a command line without doing what it says."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from prunec import cli


def parsed(words: Sequence[str]) -> None:
    """Have the command's own parser read `words`, the first of which may name the command; raises as it does."""
    name = words[0] if words[0] in cli.COMMANDS else "compile"
    command = typer.main.get_command(cli.COMMANDS[name])
    command.make_context(name, list(words[words[0] in cli.COMMANDS :])).close()
