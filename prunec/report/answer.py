"""What an artifact says to one text: frozen, plain data, and what is printed of it."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prunec.report.codec import encode

VERSION = 1
"""Raised by one whenever a reader of the older form would misread the newer."""
FIRST = 8
"""Numbers of an embedding that are printed."""


@dataclass(frozen=True)
class Label:
    """One label and its probability."""

    name: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an artifact says to one text. What its task does not give is empty.

    Attributes:
        artifact: the file; `runtime` is what ran it.
        task: as optimum names it.
        tokens: of the text given; `generated`: of the text that follows it.
        text: that text.
        labels: the most probable first.
        embedding: the mean over tokens; of a model that gives one number, that number.
        seconds: without loading.
    """

    version: int = VERSION
    prunec: str
    artifact: str
    runtime: str
    task: str
    tokens: int
    generated: int = 0
    text: str = ""
    labels: tuple[Label, ...] = ()
    embedding: tuple[float, ...] = ()
    seconds: float

    def to_json(self) -> str:
        """The answer as JSON text."""
        return encode(self)


def print_answer(found: Answer, console: Console) -> None:
    """Labels or an embedding, and how long it took; a generated text is printed as it comes."""
    if found.labels:
        table = Table.grid(padding=(0, 2))
        for label in found.labels:
            table.add_row(label.name, f"{label.probability:.4f}")
        console.print(table)
    if found.embedding:
        numbers = " ".join(f"{value:.4f}" for value in found.embedding[:FIRST])
        console.print(f"{len(found.embedding)} numbers: {numbers}{' …' * (len(found.embedding) > FIRST)}")
    pace = f", {found.generated} generated, {found.generated / found.seconds:.1f} a second" if found.generated else ""
    console.print(Text(f"{found.tokens} tokens{pace}, {found.seconds * 1e3:.0f} ms by {found.runtime}", "dim"))
