"""What a run found out about a model, as a file: a later run cuts it at any budget, and scores and measures nothing.

A safetensors file: a tensor a family and finding, all else as JSON in its metadata. What a part costs is not in it: a
latency is of one machine, and its tables have a cache of their own, so that a path can be cut elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from prunec.calibration.checkpoint import save_tensors
from prunec.calibration.hashes import tensors_hash
from prunec.calibration.outline import Outline
from prunec.calibration.scorefile import require_fit
from prunec.errors import InputError
from prunec.facts import CostModel, Damage, Scores, SolutionPath, Structure
from prunec.files import atomic_path
from prunec.ir.program import Program

SUFFIX = ".safetensors"
_FORMAT, _VERSION = "prunec path", 1
_AGAIN = "make it again with --save-path"
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Findings:
    """What a search goes by, and what it is of.

    Attributes:
        weights: hash of every tensor of the model.
        units: hash of the structure: families, units and sublayers.
        source: the model as it was named.
        facts: by type: `Scores` and `Damage`, or a `SolutionPath`.
        outline: the parts that could go and their parameters; None in files that lack it.
    """

    weights: str
    units: str
    source: str
    facts: Mapping[type, object]
    outline: Outline | None = None

    @staticmethod
    def of(
        program: Program, structure: Structure, facts: Mapping[type, object], parameters: CostModel | None = None
    ) -> Findings:
        """`facts` about a dense program; with what its parts count, for those who have the file alone."""
        weights = tensors_hash([program.tensors()])
        outline = Outline(structure, parameters) if parameters is not None else None
        return Findings(weights, _units_hash(structure), program.provenance.source, facts, outline)

    def require_fit(self, program: Program, structure: Structure, path: Path) -> None:
        """Make sure that they are of `program` and `structure`.

        Raises:
            InputError: they are of another model, or of other units of it; `path` is named.
        """
        if self.weights != tensors_hash([program.tensors()]):
            raise InputError(f"{path} is of another model ({self.source})", f"name that model, or {_AGAIN}")
        if self.units != _units_hash(structure):
            raise InputError(
                f"{path} is of other units of this model", f"look for the same kinds of units, or {_AGAIN}"
            )
        sizes = {family.name: (family.units,) for family in structure.families}
        for fact in self.facts.values():
            if isinstance(fact, Scores):
                require_fit(fact, structure, path)
            if isinstance(fact, SolutionPath) and {name: x.shape for name, x in fact.entries.items()} != sizes:
                raise _damaged(path, "times of entry are missing")
            if isinstance(fact, Damage) and fact.families and fact.families.keys() != sizes.keys():
                raise _damaged(path, "measured damage is missing")


def save_findings(findings: Findings, path: Path) -> None:
    """Write `findings` at `path`, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    tensors: dict[str, np.ndarray] = {}
    plain: dict[str, object] = {}
    for kind, fact in findings.facts.items():
        name, (write, _) = _name(kind), _CODECS[kind]
        plain[name], arrays = write(fact)
        tensors |= {f"{name}:{family}": np.ascontiguousarray(array, np.float64) for family, array in arrays.items()}
    about = {"weights": findings.weights, "units": findings.units, "source": findings.source}
    metadata = {"format": f"{_FORMAT} {_VERSION}", "about": json.dumps(about), "facts": json.dumps(plain)}
    if findings.outline is not None:
        metadata["outline"] = json.dumps(findings.outline.plain())
    with atomic_path(path) as staged:
        save_tensors({name: torch.tensor(values) for name, values in tensors.items()}, staged, metadata)


def load_findings(path: Path) -> Findings:
    """What `save_findings` wrote at `path`.

    Raises:
        InputError: there is no such file, or it holds no path, a newer one or a damaged one.
    """
    if not path.is_file():
        raise InputError(f"there is no path file at {path}", "write one with prunec MODEL ... --save-path FILE")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 it is no mapping
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} cannot be read ({error})", f"name a path file, or {_AGAIN}") from error
    _require_version(metadata.get("format", ""), path)
    if not all(np.isfinite(values).all() for values in tensors.values()):
        raise _damaged(path, "a number is not finite")
    try:
        about, facts = json.loads(metadata["about"]), json.loads(metadata["facts"])
        kinds = {_name(kind): kind for kind in _CODECS}
        read = {kinds[name]: _CODECS[kinds[name]][1](plain, _of(name, tensors)) for name, plain in facts.items()}
        outline = Outline.read(json.loads(metadata["outline"])) if "outline" in metadata else None
        if outline is not None and _units_hash(outline.structure) != about["units"]:
            raise ValueError("the outline is of other units")
        return Findings(about["weights"], about["units"], about["source"], read, outline)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def _require_version(text: str, path: Path) -> None:
    name, _, version = text.rpartition(" ")
    if name != _FORMAT or not version.isdigit():
        raise InputError(f"{path} holds no path", "name a file that --save-path wrote")
    if int(version) > _VERSION:
        raise InputError(f"{path} was written by a newer prunec", f"update prunec, or {_AGAIN}")


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"{path} is damaged ({why})", _AGAIN)


def _name(kind: type) -> str:
    return kind.__name__.lower()


def _of(name: str, tensors: Arrays) -> dict[str, np.ndarray]:
    prefix = f"{name}:"
    return {name.removeprefix(prefix): values for name, values in tensors.items() if name.startswith(prefix)}


def _units_hash(structure: Structure) -> str:
    """A hash of the names and numbers of all that could go."""
    plain = [
        [[item.name, item.kind, item.units, item.least] for item in structure.families],
        [[item.name, item.families] for item in structure.sublayers],
    ]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def _write_scores(scores: Scores) -> tuple[object, Arrays]:
    named = ("criterion", "data_hash", "unit", "sublayers", "undone")
    return {name: getattr(scores, name) for name in named}, scores.units


def _read_scores(plain: Mapping[str, Any], arrays: Arrays) -> Scores:
    return Scores(units=arrays, **plain)


def _write_damage(damage: Damage) -> tuple[object, Arrays]:
    return {"objective": damage.objective, "sublayers": damage.sublayers}, {
        name: np.array(points) for name, points in damage.families.items()
    }


def _read_damage(plain: Mapping[str, Any], arrays: Arrays) -> Damage:
    curves = {name: tuple((int(removed), float(value)) for removed, value in points) for name, points in arrays.items()}
    return Damage(plain["objective"], curves, plain["sublayers"])


def _write_path(path: SolutionPath) -> tuple[object, Arrays]:
    return {"method": path.method, "data_hash": path.data_hash}, path.entries


def _read_path(plain: Mapping[str, Any], arrays: Arrays) -> SolutionPath:
    return SolutionPath(plain["method"], plain["data_hash"], arrays)


_CODECS: Mapping[type, tuple[Callable[[Any], tuple[object, Arrays]], Callable[[Mapping[str, Any], Arrays], object]]] = {
    Scores: (_write_scores, _read_scores),
    Damage: (_write_damage, _read_damage),
    SolutionPath: (_write_path, _read_path),
}
"""How each kind of finding is written as plain data and an array a family, and read again."""
