"""`emit`: writes the artifact with the target's backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prunec.cost.target import Artifact, Target
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

LAST = "the artifact gives logits of the last token alone, [batch, 1, vocabulary]"


@dataclass(frozen=True)
class EmitPass(Pass):
    """Emit the program as it stands into the scratch folder; the compiler moves it when all is proved."""

    name: ClassVar[str] = "emit"
    needs: ClassVar[tuple[type, ...]] = (Target,)
    gives: ClassVar[tuple[type, ...]] = (Artifact,)

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the artifact."""
        target = facts[Target]
        backend = target.backend
        folder = context.scratch / "artifact"
        folder.mkdir(exist_ok=True)
        path = folder / target.filename
        for old in folder.iterdir():
            old.unlink()
        backend.emit(target.written(program), path)
        size = sum(file.stat().st_size for file in folder.iterdir())
        log = f"{size / 1e6:.1f} MB by {backend.runtime}"
        if target.last_token:
            context.progress.note(LAST)
            log += f"; {LAST}"
        return PassResult(program, (Artifact(path, size),), log)
