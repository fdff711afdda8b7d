"""`load-path`: what an earlier run found out, in the place of scoring and measuring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from prunec.calibration.pathfile import load_findings
from prunec.facts import Damage, Scores, SolutionPath, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class LoadPathPass(Pass):
    """Give the scores and damage, or the solution path, that `save-path` kept of this model.

    Attributes:
        file: which; it is read when the pass is made, so that one that cannot be used fails first.
    """

    name: ClassVar[str] = "load-path"
    needs: ClassVar[tuple[type, ...]] = (Structure,)
    gives: ClassVar[tuple[type, ...]] = (Scores, Damage, SolutionPath)

    file: str

    def __post_init__(self) -> None:
        load_findings(Path(self.file))

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give what the file holds.

        Raises:
            InputError: it cannot be used, or is of another model or of other units.
        """
        path = Path(self.file)
        found = load_findings(path)
        found.require_fit(program, facts[Structure], path)
        kinds = " and ".join(kind.__name__ for kind in found.facts)
        return PassResult(program, tuple(found.facts.values()), f"{kinds} from {path}")
