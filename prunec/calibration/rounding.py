"""What rounding the products of a program does to them, on text; and the factors of features that make it do less."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx

from prunec.calibration.tokens import Batch, token_rows
from prunec.ir.execute import evaluate, input_values, output_nodes
from prunec.ir.products import Product, products
from prunec.ir.program import Program
from prunec.ir.scaling import Scalable, scalables

EVENNESS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of a feature's range that are tried to be moved into the weights; 0 moves nothing."""
ROWS = 128
"""Tokens that the error of a product is a mean over, the ranges being those of all."""
LIMITS = {"int8": 0.002, "int4": 0.02}
"""The largest error of a product that is rounded as its type does by itself; above it, it is rounded less.

On SmolLM2 (512 tokens of an encyclopaedia, the grids in float32, cross-entropy 3.320 dense) int8 by tensor adds
0.61 nats as it is and 0.23 after scaling (of 1,024 tokens, 3.405 dense). With 42 of 211 products by blocks (a limit
of 0.002) it adds 0.072, with 69 (0.0005) 0.012, with all 0.001. MiniLM's artifact at 1x128 takes 0.41 of the
processor time of float32 by tensor, 0.51 with 10 of 36 products by blocks (0.002), 0.64 with 25 (0.0005), 0.69 with
all; the cosine of its features to those of float32 is 0.9944, 0.9978, 0.9988 and 0.9989 (32 texts; one thread of a
busy machine).
"""
FEW = 8
"""Tokens of a request up to which products by blocks are as fast as those by tensor."""


@dataclass(frozen=True)
class Rounding:
    """The fact of what rounding does to the dense program, product by product.

    Attributes:
        exponents: by name of a value, `[features]`: its features are divided by `2 ** exponents` (see `ir.scaling`).
        errors: by name of the weight, the mean over tokens of `|y' - y|^2 / |y|^2` once that is done, y' being the
            product of the rounded value with the rounded weight.
        weighed: whether finer grids were weighed against removal.
    """

    exponents: Mapping[str, Tensor]
    errors: Mapping[str, float]
    weighed: bool = False


Rounder = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Takes rows `[tokens, features]` and a weight `[outputs, features]`, gives both as their grids have them."""


def rounding(program: Program, batch: Batch, rounder: Rounder) -> Rounding:
    """Run `batch` once, and try each product on grids.

    Values that can be scaled (`ir.scaling`) are tried with factors `range(x)^a / range(w)^(1-a)` of each feature, as
    SmoothQuant's (arXiv 2211.10438, eq. 4), for the `a` of `EVENNESS`, in powers of two; the best by the mean error of
    the products that read it is taken.
    """
    readers: dict[fx.Node, list[Product]] = {}
    for item in products(program):
        readers.setdefault(item.operand, []).append(item)
    trial = _Trial(program, batch, rounder, readers, scalables(program))
    with torch.no_grad():
        evaluate(program, input_values(program, batch), output_nodes(program), before_call=trial.watch)
    return Rounding(trial.exponents, trial.errors)


@dataclass(frozen=True)
class _Trial:
    """Products tried while a batch passes."""

    program: Program
    batch: Batch
    rounder: Rounder
    readers: Mapping[fx.Node, list[Product]]
    scalables: Mapping[fx.Node, Scalable]
    exponents: dict[str, Tensor] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)

    def watch(self, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Before a value's first product, try all of them."""
        for source, value in zip(node.args, args, strict=True):
            if not isinstance(source, fx.Node):
                continue
            items = self.readers.get(source)
            if items and items[0].call is node:
                self._try(source, token_rows(value, self.batch).float())
        return args, kwargs

    def _try(self, source: fx.Node, rows: Tensor) -> None:
        items = self.readers[source]
        weights = [_by_outputs(self.program, item) for item in items]
        step = max(1, len(rows) // ROWS)
        wanted = [rows[::step] @ weight.T for weight in weights]
        best: tuple[float, Tensor | None, list[float]] | None = None
        for share in EVENNESS if source in self.scalables else EVENNESS[:1]:
            powers = _powers(rows, weights, share) if share else None
            errors = [
                self._error(rows, weight, powers, result, step) for weight, result in zip(weights, wanted, strict=True)
            ]
            mean = sum(errors) / len(errors)
            if best is None or mean < best[0]:
                best = mean, powers, errors
        assert best is not None
        if best[1] is not None:
            self.exponents[source.name] = best[1]
        for item, error in zip(items, best[2], strict=True):
            self.errors[item.weight] = max(error, self.errors.get(item.weight, 0.0))

    def _error(self, rows: Tensor, weight: Tensor, powers: Tensor | None, wanted: Tensor, step: int) -> float:
        scaled = (rows, weight) if powers is None else (torch.ldexp(rows, -powers), torch.ldexp(weight, powers))
        own, rounded = self.rounder(*scaled)
        sizes = wanted.square().sum(-1).clamp(min=torch.finfo(wanted.dtype).tiny)
        return float(((own[::step] @ rounded.T - wanted).square().sum(-1) / sizes).mean())


def to_refine(errors: Mapping[str, float], dtype: str, tokens: int, limit: float | None = None) -> frozenset[str]:
    """The weights that are rounded less, by blocks to 8 bits: those with errors above the limit of `dtype`.

    Args:
        errors: of each product, as `Rounding` has them.
        dtype: `int8` or `int4`.
        tokens: of a request. In `int8` all products are by blocks where there are few.
        limit: in the place of the usual one.
    """
    most = LIMITS[dtype] if limit is None else limit
    return frozenset(name for name, error in errors.items() if error > most or (dtype == "int8" and tokens <= FEW))


def _by_outputs(program: Program, item: Product) -> Tensor:
    """The weight as `[outputs, features]`."""
    weight = program.tensor(item.weight).detach().float()
    return weight if item.axis == 1 else weight.T


def _powers(rows: Tensor, weights: list[Tensor], share: float) -> Tensor:
    """The factor of each feature as a power of two."""
    tiny = torch.finfo(rows.dtype).tiny
    of_value = rows.abs().amax(0).clamp(min=tiny)
    of_weight = torch.stack([weight.abs().amax(0) for weight in weights]).amax(0).clamp(min=tiny)
    wanted = share * of_value.log2() - (1 - share) * of_weight.log2()
    return (wanted - wanted.median()).round().clamp(-30, 30).int()


def by_tensor(steps: int) -> Rounder:
    """Values in 255 steps from their least to their largest, of all tokens together; weights in `steps` either side.

    The grids of ONNX Runtime's dynamic quantisation with weights per channel, the steps of weights being those of an
    output.
    """

    def rounder(rows: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        low, high = min(float(rows.min()), 0.0), max(float(rows.max()), 0.0)
        step = (high - low) / 255 or 1.0
        zero = round(-low / step)
        return ((rows / step).round() + zero).clamp(0, 255).sub(zero).mul(step), _symmetric(weight, steps)

    return rounder


def by_blocks(bits: int, block: int) -> Rounder:
    """Values as they are; weights in steps of their own for every `block` features of an output.

    The grids of weights by blocks, symmetric. What the values lose, in 255 steps for every block of a token, is less.
    """

    def rounder(rows: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        short = -weight.shape[1] % block
        blocks = torch.nn.functional.pad(weight, (0, short)).view(len(weight), -1, block)
        rounded = _symmetric(blocks, 2 ** (bits - 1) - 1).view(len(weight), -1)
        return rows, rounded[:, : weight.shape[1]]

    return rounder


def rounder(dtype: str, block: int, steps: int) -> Rounder:
    """The grids of `int8`, of `steps` either side of zero, or of `int4`, by blocks of `block` features."""
    return by_tensor(steps) if dtype == "int8" else by_blocks(4, block)


def _symmetric(values: Tensor, steps: int) -> Tensor:
    """Rounded to `steps` steps either side of zero, the largest of the last axis being the last step."""
    step = values.abs().amax(-1, keepdim=True).clamp(min=torch.finfo(values.dtype).tiny) / steps
    return (values / step).round().clamp(-steps, steps) * step
