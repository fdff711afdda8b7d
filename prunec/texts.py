"""Which calibration texts are asked for: one path, or several with a name each."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from prunec.errors import InputError

Texts = Path | Mapping[str, Path]
"""One text without a name, or texts by name."""

_NAME = re.compile(r"[A-Za-z0-9-]+")
_FIX = "write each as NAME=PATH, the name of letters, digits and dashes"


def read_words(words: Sequence[str]) -> Texts | None:
    """What the command line's `--calibration` words ask for: each is `PATH` or `NAME=PATH`; None where there are none.

    A path that exists is read as one, whatever signs are in it.

    Raises:
        InputError: a name or a path cannot be used, a name repeats, or one of several has none.
    """
    pairs = [_pair(word) for word in words]
    unnamed = next((path for name, path in pairs if not name), None)
    if len(pairs) == 1 and unnamed is not None:
        return Path(unnamed)
    if unnamed is not None:
        raise InputError(f"of {len(pairs)} texts {unnamed} has no name", _FIX)
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two texts are called {twice}", "give each a name of its own")
    return as_texts(dict(pairs)) if pairs else None


def as_texts(given: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]]) -> Texts:
    """A path, or paths by name, as a caller from Python gives them.

    Raises:
        InputError: there is no text, or a name or a path cannot be used.
    """
    if isinstance(given, (str, os.PathLike)):
        return Path(given)
    if not (given and isinstance(given, Mapping)):
        raise InputError(f"{given!r} names no text", "give a path, or a mapping from names to paths")
    for name, path in given.items():
        if not _NAME.fullmatch(name):
            raise InputError(f"'{name}' cannot be the name of a text", _FIX)
        if not str(path):
            raise InputError(f"the text {name} has no path", _FIX)
    return {name: Path(path) for name, path in given.items()}


def spelled_texts(texts: Texts) -> list[str]:
    """The words that `read_words` reads as `texts`."""
    return [f"{name}={path}" for name, path in texts.items()] if isinstance(texts, Mapping) else [str(texts)]


def _pair(word: str) -> tuple[str, str]:
    """Name and path; no name where the word is a path."""
    name, sign, path = word.partition("=")
    is_path = not sign or os.sep in name or Path(word).exists()
    if not (word if is_path else name):
        raise InputError(f"'{word}' is no text", "give a path, or NAME=PATH")
    return ("", word) if is_path else (name, path)
