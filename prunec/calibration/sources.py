"""Where calibration text comes from: files, directories, and the standard library's own docstrings."""

from __future__ import annotations

import ast
import inspect
import json
import os
import random
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from prunec.calibration.labels import LabelledText, uniform
from prunec.errors import InputError

SUFFIXES = (".txt", ".md", ".jsonl")
CAP = 32_000_000
"""Characters kept at most: larger sources are sampled."""

_STRETCH = 1 << 20
_SKIPPED = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "ensurepip", "turtledemo"}


def read_texts(path: Path | str, seed: int = 0, cap: int = CAP) -> list[str]:
    """The documents in `path`.

    A .txt or .md file is one document (a large one: several, of a megabyte each, cut at a line end);
    in a .jsonl file every row's "text" is one, a `LabelledText` where it has a "label"; a directory
    gives all such files in it, sorted. Every byte is read once. Where there are more than `cap`
    characters, a uniform random sample of the documents is kept, in order, so that memory stays bounded.

    Raises:
        InputError: not found, unreadable, of another kind, not UTF-8, malformed or empty; or some text has labels
            and some has none.
    """
    path = Path(path)
    kept = _sample(uniform(text for file in text_files(path) for text in _documents(file) if text.strip()), cap, seed)
    if not kept:
        raise InputError(f"{path} holds no text", "give a text file, a .jsonl file or a directory of them")
    return kept


def standard_library_texts(seed: int = 0, characters: int = 600_000) -> list[str]:
    """Docstrings of the standard library's public modules, one document a module.

    The source files are parsed, not run. Modules are taken in an order drawn by `seed` until there are
    `characters` (and three); the same Python version and seed give the same text.

    Raises:
        InputError: this Python comes without the sources of its standard library.
    """
    root = Path(sysconfig.get_path("stdlib"))
    files = [file for file in _walk(root, (".py",)) if _is_public(file.relative_to(root))]
    random.Random(seed).shuffle(files)
    texts: list[str] = []
    for file in files:
        text = _docstrings(file)
        if len(text) >= 500:
            texts.append(text)
        if sum(map(len, texts)) >= characters and len(texts) >= 3:
            break
    if len(texts) < 3:
        raise InputError(f"no docstrings in {root} to calibrate with", "give --calibration")
    return texts


def text_files(path: Path) -> list[Path]:
    """The files that `read_texts` reads of `path`.

    Raises:
        InputError: there are none, or it is a file of another kind.
    """
    if path.is_dir():
        files = _walk(path, SUFFIXES)
        if not files:
            raise InputError(f"no {', '.join(SUFFIXES)} files in {path}", "give a directory that holds some")
        return files
    if not path.exists():
        raise InputError(f"the text {path} does not exist", "check the path")
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"the text {path} has an unknown suffix", f"give {', '.join(SUFFIXES)} or a directory of such files"
        )
    return [path]


def files_with(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """`path` where it is a file with one of `suffixes`, or the files with one in the directory `path`."""
    if path.is_dir():
        return _walk(path, suffixes)
    return [path] if path.is_file() and path.suffix.lower() in suffixes else []


def _walk(root: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Files under `root` by suffix, sorted, without hidden ones."""
    found: list[Path] = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in names if name.lower().endswith(suffixes) and name[0] != "."]
    return sorted(found)


def _documents(file: Path) -> Iterator[str]:
    if file.suffix.lower() != ".jsonl":
        yield from _stretches(file)
        return
    for number, line in enumerate(_whole_lines(file), start=1):
        if line.strip():
            yield _row_text(file, number, line)


def _row_text(file: Path, number: int, line: str) -> str:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"line {number} of {file} is not JSON: {error}", "give one JSON object a line") from error
    text = row.get("text") if isinstance(row, dict) else None
    if not isinstance(text, str):
        raise InputError(f'line {number} of {file} has no "text"', 'give rows such as {"text": "..."}')
    label, pair = row.get("label"), row.get("text_b")
    if label is None:
        return text
    return LabelledText(text, pair if isinstance(pair, str) else None, label, f"line {number} of {file}")


def _stretches(file: Path) -> Iterator[str]:
    lines: list[str] = []
    size = 0
    for line in _lines(file):
        lines.append(line)
        size += len(line)
        if size >= _STRETCH:
            yield "".join(lines)
            lines, size = [], 0
    yield "".join(lines)


def _whole_lines(file: Path) -> Iterator[str]:
    """The lines of a file with their ends, however long."""
    pieces: list[str] = []
    for piece in _lines(file):
        pieces.append(piece)
        if piece.endswith("\n"):
            yield "".join(pieces)
            pieces = []
    yield "".join(pieces)


def _lines(file: Path) -> Iterator[str]:
    """The lines of a file with their ends; a line beyond a megabyte comes in pieces."""
    offset, pending = 0, b""
    try:
        with file.open("rb") as stream:
            while block := pending + stream.readline(_STRETCH):
                text, used = _decode(file, block, offset)
                if used == 0 or len(block) == len(pending):
                    raise _not_utf8(file, offset)
                yield text.removeprefix("\ufeff") if offset == 0 else text
                offset, pending = offset + used, block[used:]
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", "check its permissions") from error


def _decode(file: Path, block: bytes, offset: int) -> tuple[str, int]:
    """The text of `block` and the bytes it took: a character cut off at the end is left over."""
    try:
        return block.decode("utf-8"), len(block)
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and len(block) - error.start < 4:
            return block[: error.start].decode("utf-8"), error.start
        raise _not_utf8(file, offset + error.start) from error


def _not_utf8(file: Path, offset: int) -> InputError:
    return InputError(f"{file} is not UTF-8 text (byte {offset})", "convert it: iconv -t UTF-8")


def _sample(documents: Iterator[str], cap: int, seed: int) -> list[str]:
    """All documents that say something or, beyond `cap` characters, a uniform random sample of that size."""
    draw = random.Random(seed)
    kept: list[tuple[float, int, str]] = []
    size, threshold = 0, 1.0
    for number, text in enumerate(documents):
        key = draw.random()
        if key >= threshold or not text.strip():
            continue
        kept.append((key, number, text))
        size += len(text)
        if size > 2 * cap:
            kept, size, threshold = _shrink(kept, cap, threshold)
    kept, _, _ = _shrink(kept, cap, threshold) if size > cap else (kept, size, threshold)
    return [text for _, _, text in sorted(kept, key=lambda item: item[1])]


def _shrink(
    kept: list[tuple[float, int, str]], cap: int, threshold: float
) -> tuple[list[tuple[float, int, str]], int, float]:
    """The documents with the lowest random keys that fit in `cap`, and the key that is now too high."""
    kept = sorted(kept)
    size = 0
    for place, (key, _, text) in enumerate(kept):
        if size + len(text) > cap and place:
            return kept[:place], size, key
        size += len(text)
    return kept, size, threshold


def _is_public(file: Path) -> bool:
    names = (*file.parts[:-1], file.stem)
    return all(not name.startswith("_") and name not in _SKIPPED and "test" not in name for name in names)


def _docstrings(file: Path) -> str:
    """The prose of a module's docstrings: paragraphs of at least six words, without sessions."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = [ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, kinds)]
    paragraphs = [part for text in found if text for part in re.split(r"\n\s*\n", inspect.cleandoc(text))]
    prose = [" ".join(part.split()) for part in paragraphs if ">>>" not in part]
    return "\n\n".join(part for part in prose if len(part.split()) >= 6)
