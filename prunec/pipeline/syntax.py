"""The grammar of pipelines: `name{key=value, flag}, name`, read into names and option texts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from prunec.errors import InputError

BARE = re.compile(r'[^\s,{}=|"]+')
_TOKEN = re.compile(r'(?P<space>\s+)|(?P<mark>[,{}=|])|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<bare>[^\s,{}=|"]+)', re.DOTALL)
_EXAMPLE = "write steps as in `structure, importance{criterion=magnitude}, remove`"


@dataclass(frozen=True)
class Atom:
    """One piece of a value. A quoted one is text and nothing else: never `none`, a flag or `()`."""

    text: str
    quoted: bool


@dataclass(frozen=True)
class RawOption:
    """`key=a|b`, or a value alone (`key` is None), at `column` of the pipeline."""

    key: str | None
    atoms: tuple[Atom, ...]
    column: int


@dataclass(frozen=True)
class RawStep:
    """A pass's name with its options as they were written."""

    name: str
    options: tuple[RawOption, ...]
    column: int


def quote(text: str) -> str:
    """`text` as a quoted atom."""
    return json.dumps(text, ensure_ascii=False)


def spelled(text: str) -> str:
    """`text` as an atom, quoted where it would not be one otherwise."""
    return text if BARE.fullmatch(text) else quote(text)


def misread(what: str, column: int, fix: str = _EXAMPLE) -> InputError:
    """The error of a pipeline that is wrong at `column`, counted from 1."""
    return InputError(f"pipeline: {what} at column {column}", fix)


def read_steps(text: str) -> list[RawStep]:
    """Read a pipeline's steps.

    Raises:
        InputError: the text does not follow the grammar, or holds no step.
    """
    reader = _Reader(text)
    steps = [reader.step()]
    while reader.skip(","):
        steps.append(reader.step())
    if reader.kind != "end":
        raise reader.error("`,` or the end")
    return steps


class _Reader:
    """Walks the tokens of one pipeline."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._start = self._end = 0
        self._advance()

    @property
    def column(self) -> int:
        return self._start + 1

    def _advance(self) -> None:
        self._start = self._end
        match = _TOKEN.match(self._text, self._start)
        if match and match.lastgroup == "space":
            self._start = match.end()
            match = _TOKEN.match(self._text, self._start)
        if match is None and self._start < len(self._text):
            raise misread("a quote is opened and not closed", self.column, 'end the text with "')
        self.kind = match.lastgroup if match else "end"
        self.token = match[0] if match else ""
        self._end = match.end() if match else self._start

    def error(self, wanted: str) -> InputError:
        found = f"`{self.token}`" if self.token else "the end"
        return misread(f"expected {wanted}, found {found}", self.column)

    def skip(self, mark: str) -> bool:
        """Step over `mark` if it is next; say whether it was."""
        if self.kind != "mark" or self.token != mark:
            return False
        self._advance()
        return True

    def step(self) -> RawStep:
        name, column = self.token, self.column
        if self.kind != "bare":
            raise self.error("a pass name")
        self._advance()
        return RawStep(name, self._options() if self.skip("{") else (), column)

    def _options(self) -> tuple[RawOption, ...]:
        if self.skip("}"):
            return ()
        options = [self._option()]
        while self.skip(","):
            options.append(self._option())
        if not self.skip("}"):
            raise self.error("`,` or `}`")
        return tuple(options)

    def _option(self) -> RawOption:
        column, first = self.column, self._atom()
        if not first.quoted and self.skip("="):
            return RawOption(first.text, self._atoms(self._atom()), column)
        return RawOption(None, self._atoms(first), column)

    def _atoms(self, first: Atom) -> tuple[Atom, ...]:
        atoms = [first]
        while self.skip("|"):
            atoms.append(self._atom())
        return tuple(atoms)

    def _atom(self) -> Atom:
        if self.kind not in ("bare", "quoted"):
            raise self.error("a value")
        atom = Atom(self.token if self.kind == "bare" else self._unquoted(), self.kind == "quoted")
        self._advance()
        return atom

    def _unquoted(self) -> str:
        try:
            return str(json.loads(self.token, strict=False))
        except json.JSONDecodeError as error:
            raise misread(
                f"{self.token} holds an escape that is not known", self.column, r"write a backslash as \\"
            ) from error
