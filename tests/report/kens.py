"""Reports on fine-tunings, small and made up."""

from __future__ import annotations

from dataclasses import replace

from prunec.report.ken import KenMatrix, KenReport


def matrix(name: str, kept: int = 30, **more: object) -> KenMatrix:
    found = KenMatrix(name, 10, 12, kept, 4.0, 1.0, (10, 10, 5, 3, 2), (2, 2), "AEB/gA==")
    return replace(found, **more)  # type: ignore[arg-type]


def report(*matrices: KenMatrix) -> KenReport:
    return KenReport(
        prunec="0",
        artifact="a.ken.safetensors",
        tuned="tuned",
        base="base",
        base_hash="abc",
        mode="delta",
        keep=0.25,
        rows=None,
        entries=1000,
        stayed=300,
        stored=250,
        whole=("head",),
        whole_entries=9,
        artifact_bytes=1000,
        model_bytes=4000,
        seconds=1.0,
        matrices=matrices,
    )
