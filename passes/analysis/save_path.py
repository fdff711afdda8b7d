"""`save-path`: what the search will go by is kept in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from prunec.calibration.pathfile import Findings, save_findings
from prunec.cost.counted import counted_costs
from prunec.errors import PassError
from prunec.facts import Damage, Scores, SolutionPath, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class SavePathPass(Pass):
    """Keep scores and damage, or the solution path, for later runs of `load-path` at any budget.

    Attributes:
        file: where; what is there is replaced.
    """

    name: ClassVar[str] = "save-path"
    needs: ClassVar[tuple[type, ...]] = (Structure,)
    reads: ClassVar[tuple[type, ...]] = (Scores, Damage, SolutionPath)

    file: str

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Write the file.

        Raises:
            PassError: nothing before it found anything out.
            InputError: the file cannot be written.
        """
        known = {kind: facts.get(kind) for kind in self.reads}
        found = {kind: fact for kind, fact in known.items() if fact is not None}
        if not found:
            raise PassError("`save-path` has nothing to keep", "put it behind damage, or behind solution-path")
        structure = facts[Structure]
        parameters = counted_costs(program, structure, "parameters")
        save_findings(Findings.of(program, structure, found, parameters), Path(self.file))
        return PassResult(program, (), f"{' and '.join(kind.__name__ for kind in found)} kept in {self.file}")
