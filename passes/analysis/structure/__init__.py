"""`structure`: what can be removed from a program, found by label flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prunec.errors import InputError, PassError
from prunec.facts import ADDITIVE, KINDS, Family, Pin, Structure
from prunec.ir.branches import find_branches
from prunec.ir.labels import LabelFlow, run_flow
from prunec.ir.program import Program
from prunec.ir.text import operator_name
from prunec.passbase import Context, Facts, Pass, PassResult

from .experts import find_experts
from .groups import Groups
from .hidden import find_hidden
from .kept import find_kept, find_silent, find_summed
from .rehearsal import rehearse
from .sublayers import find_sublayers
from .trial import try_out
from .units import find_families
from .vocabulary import find_vocabularies


@dataclass(frozen=True)
class StructurePass(Pass):
    """Discover neurons, heads, KV groups, experts and sublayers.

    Labels that must go together are connected components; attention operators say which components
    make a head; residual additions say what can be bypassed. Nothing here knows an architecture, and
    weights are not read. Families of kinds that do not add up are in no sublayer; features of a residual
    stream that is normalised in one operator that centres it, and rows of a vocabulary, are apart from all
    others, as no mask removes them.

    Attributes:
        kinds: which kinds of units to look for.
    """

    name: ClassVar[str] = "structure"
    gives: ClassVar[tuple[type, ...]] = (Structure,)

    kinds: tuple[str, ...] = ADDITIVE

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            raise InputError(f"there is no kind of units '{unknown[0]}'", f"choose from {', '.join(KINDS)}")

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the structure; say what has no rule."""
        try:
            flow = run_flow(program)
        except PassError as error:
            structure = Structure((), (), (Pin("everything", str(error)),))
            return PassResult(program, (structure,), f"nothing can be removed: {error}")
        groups = Groups(flow)
        branches = find_branches(program, flow)
        streams = [item.skip for item in branches]
        families, pins = find_families(groups, self.kinds, streams)
        hidden, unmasked, unread = find_hidden(groups, streams) if "hidden" in self.kinds else ([], [], [])
        experts, few = find_experts(groups) if "expert" in self.kinds else ([], [])
        words, firm = find_vocabularies(groups) if "vocabulary" in self.kinds else ([], [])
        families, failing = _sifted(program, flow, [*families, *experts, *hidden])
        unmasked, ragged = _sifted(program, flow, [*unmasked, *words])
        sublayers = find_sublayers(program, groups, branches, [item for item in families if item.kind in ADDITIVE])
        pins.extend([*few, *failing, *find_summed(groups, streams), *unread, *firm, *ragged])
        found = [*families, *unmasked]
        kept = find_kept(groups, found, streams) if set(ADDITIVE) <= set(self.kinds) else {}
        for node, why in flow.ledger.refused.items():
            tensors = kept.pop(f"{node.name} {why}", ())
            pins.append(Pin(f"{node.name} ({operator_name(node)})", why, tensors))
        pins.extend(find_silent(kept, pins))
        units = sum(family.units for family in found)
        log = f"{units} units in {len(found)} families, {len(sublayers)} sublayers, {len(pins)} pins"
        return PassResult(program, (Structure(tuple(families), tuple(sublayers), tuple(pins), tuple(unmasked)),), log)


def _sifted(program: Program, flow: LabelFlow, families: list[Family]) -> tuple[list[Family], list[Pin]]:
    """The families that can be cut in part, and a pin for each other one."""
    if not families:
        return [], []
    sound, pins = rehearse(program, flow, families)
    sound, failing = try_out(program, flow, sound)
    return sound, [*pins, *failing]
