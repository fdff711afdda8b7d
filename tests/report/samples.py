"""Reports to test with: what a compile of a small and of a deep model might have stated."""

from __future__ import annotations

from dataclasses import replace

from prunec.report.data import (
    BudgetOutcome,
    Checks,
    Data,
    Exported,
    Layer,
    Loss,
    Machine,
    Model,
    Quantised,
    Report,
    Stage,
    TextLoss,
    Workload,
)
from prunec.report.latency import Latency, Measured, Round


def layer(index: int, kind: str, kept: int, dense: int, **changes: object) -> Layer:
    """Layer `index` of a decoder; `kept` of 0 means dropped whole."""
    module, unit = ("self_attn", "kv_group") if kind == "attention" else ("mlp", "neuron")
    name = f"model.layers.{index}.{module}"
    partly = 0 < kept < dense
    removed = tuple(range(kept, dense)) if partly else ()
    item = Layer(name, kind, f"{name}.out", unit, dense, kept, not kept, partly, removed)
    return replace(item, **changes)  # type: ignore[arg-type]


def layers(depth: int) -> tuple[Layer, ...]:
    """`depth` decoder layers, more of the late ones kept; layer 3's attention is dropped."""
    attention = [layer(i, "attention", 0 if i == 3 else 1 + i % 3, 3) for i in range(depth)]
    ffn = [layer(i, "ffn", min(1536, 448 + 64 * i), 1536) for i in range(depth)]
    return tuple(item for pair in zip(attention, ffn, strict=True) for item in pair)


RIVAL = Quantised(
    "int8",
    136_000_000,
    Measured(14.5, 14.2, 15.9, 40),
    2.15,
    1.61,
    (TextLoss("news", "nats per token", 3.412, 3.467, 2048), TextLoss("stories", "nats per token", 2.9, 2.91, 2048)),
)
"""The dense model in int8, as such a compile might have seen it."""


PLAIN_EXPORT = Exported(Measured(33.4, 33.0, 36.1, 30), 1.06)
"""The same before lossless rewrites."""


def report(depth: int = 6, **changes: object) -> Report:
    """A compile that held 20 ms."""
    sample = Report(
        prunec="0.1.0",
        created="2026-01-02T03:04:05Z",
        command="prunec model -o slim.onnx --budget-latency 20ms",
        pipeline="structure, calibrate, importance{criterion=taylor}, search{budget=20ms}, remove, emit{onnx}",
        given={"budget": "20 ms", "threads": None},
        resolved={"budget": "20 ms", "threads": 2, "seed": 0},
        versions={"python": "3.11.0", "torch": "2.13.0"},
        machine=Machine("A processor", 2, 2, 8_000_000_000, "Linux"),
        model=Model(
            "model",
            "LlamaForCausalLM",
            "text-generation",
            134_515_008,
            92_100_000,
            538_060_032,
            368_400_000,
            "out/slim.onnx",
            369_100_000,
        ),
        data=Data("sampled from the model", "0123abcd", 8192, 4096, 4096, is_default=False),
        workload=Workload("prefill:1x128", 2),
        budget=BudgetOutcome("latency_ms", 20.0, "ms", 20.0, 19.4),
        latency=Latency(
            Measured(31.2, 30.9, 33.0, 60), Measured(19.4, 19.2, 20.5, 60), 1.612, 19.1, 8.2, (Round(19.1, 19.4),)
        ),
        loss=Loss(
            "KL divergence to the dense model, nats per token",
            (
                TextLoss("news", "nats per token", 3.412, 3.587, 2048),
                TextLoss("stories", "nats per token", 2.9, 2.85, 2048),
            ),
        ),
        checks=Checks(3e-5, 5e-5, 1e-3),
        layers=layers(depth),
        bypassed=tuple(item.sublayer for item in layers(depth) if item.dropped),
        stages=(
            Stage("structure", 1, 3.2, 1_000_000_000),
            Stage("cost-tables", 1, 121.0, 2_000_000_000, "24 sizes measured"),
            Stage("damage", 1, 58.0, 2_100_000_000),
            Stage("recover", 1, 38.0, 3_100_000_000),
            Stage("emit", 1, 20.0, 3_100_000_000),
            Stage("emit", 2, 21.0, 3_100_000_000),
        ),
        seconds=265.3,
        peak_memory_bytes=3_100_000_000,
    )
    return replace(sample, **changes)  # type: ignore[arg-type]
