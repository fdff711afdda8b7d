"""The page that says what prunec comes to beside what people would use instead, drawn from all raw figures.

    python -m tools.bench.benchmarks docs

Reads the JSON files that the tools here write into the folder, and writes `benchmarks.md` and its pictures beside them.
It measures nothing, and is run anew after whatever adds to those files.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prunec.files import write_text
from tools.bench import benchmarks_parts as parts
from tools.bench.benchmarks_parts import Part, Raw, Row


@dataclass(frozen=True)
class Section:
    """One question.

    Attributes:
        title: the question.
        reads: the raw files that it is answered from.
        part: answers it.
        repeat: what measures all of it, beside the models' folder and the files that it writes.
    """

    title: str
    reads: tuple[str, ...]
    part: Callable[[Raw], Part]
    repeat: tuple[str, ...]


SECTIONS = (
    Section(
        "How much worse, for how much faster?",
        ("quality", "measurements", "rivals"),
        parts.frontier,
        ("methods .cache/models", "frontier .cache/models", "rivals .cache/models"),
    ),
    Section("What rivals fail with", ("rivals",), parts.failures, ()),
    Section("What does a compile take?", ("measurements", "quality"), parts.effort, ()),
    Section("Do budgets hold?", ("budgets",), parts.budgets, ("budgets .cache/models",)),
    Section("Are our dense files fast?", ("emission",), parts.emission, ("emission .cache/models",)),
    Section("Which units should go?", ("criteria",), parts.criteria, ("criteria .cache/models",)),
    Section("How does a compile grow?", ("growth",), parts.growth, ("growth",)),
    Section("What can other tools cut?", ("coverage",), parts.coverage, ("coverage .cache/architectures.jsonl",)),
)
TABLE = {"frontier": "--results docs/measurements.json --table docs/measurements.md"}
"""Where a tool's options differ from the others'."""
APART = {"rivals": ("rivals",), "coverage": ("rivals",), "emission": ("optimum", "genai")}
"""The packages that a tool needs besides, each kept apart."""
NAMES = {"methods": "quality"}
"""Where a tool's files are not called as it is."""

HEAD = """# Benchmarks

Drawn by `python -m tools.bench.benchmarks docs` from the raw figures beside this page; every run that was made is in
them. Sections end with the commands that measure them: these go on where they were stopped, and keep the rows that are
there. `tools/bench/compare.py OLD.json NEW.json` tells what changed between two runs.

Speed-ups are medians over rounds in which the dense file and the other one run by turns, so that a busy machine slows
both: of wall time (`wall`), or of processor time (`processor`), as the table says. How much worse a file is, is
measured on text that neither scoring nor choosing has seen: `wiki_eval` is of the calibration text's kind, `tales_eval`
of another. Methods of others that are re-implemented here are [listed with their differences](quality.md); packages of
others run with [their authors' settings](rivals.md).
"""
COVERAGE = """## What can be cut, in how many architectures?

[architectures.md](architectures.md) has a line for each of {cases} tiny models: {passed} pass, {partial} in part,
{failed} fail.

```sh
python -m tools.architectures --results .cache/architectures.jsonl --page docs/architectures.md
```
"""


def draw(folder: Path) -> dict[str, str]:
    """The page and its pictures by file name, from the raw figures in `folder`."""
    raw = {
        name: _rows(folder / f"{name}.json") for name in dict.fromkeys(name for item in SECTIONS for name in item.reads)
    }
    lines, files = [HEAD], dict[str, str]()
    for section in SECTIONS:
        known = any(raw[name] for name in section.reads)
        said, pictures = section.part(raw) if known else (["Not measured yet."], {})
        files |= pictures
        if said:
            lines += [f"## {section.title}", "", *said, "", *_repeat(section)]
    lines.append(_coverage(folder / "architectures.md"))
    return {"benchmarks.md": "\n".join(lines), **files}


def _rows(path: Path) -> list[Row]:
    found: list[Row] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return found


def _repeat(section: Section) -> list[str]:
    if not section.repeat:
        return []
    commands = []
    for command in section.repeat:
        tool = command.split()[0]
        commands += [
            f"pip install --no-deps --target .cache/{name} -r tools/bench/{name}.txt" for name in APART.get(tool, ())
        ]
        commands.append(f"python -m tools.bench.{command} {_options(tool)}")
    return ["```sh", *commands, "```", ""]


def _options(tool: str) -> str:
    name = NAMES.get(tool, tool)
    return TABLE.get(tool, f"--results docs/{name}.json --page docs/{name}.md")


def _coverage(path: Path) -> str:
    """The counts that the page of architectures gives."""
    counts: Mapping[str, str] = {}
    if path.exists():
        cells = [line.strip("| ").split(" | ") for line in path.read_text(encoding="utf-8").splitlines()]
        counts = {cell[0]: cell[1] for cell in cells if len(cell) == 2}
    names = {"cases": "cases", "passed": "pass", "partial": "partial", "failed": "fail"}
    return COVERAGE.format(**{name: counts.get(word, "?") for name, word in names.items()})


def main() -> None:
    """Draw the page anew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the raw figures are")
    folder = parser.parse_args().folder
    for name, text in draw(folder).items():
        write_text(folder / name, text)


if __name__ == "__main__":
    main()
