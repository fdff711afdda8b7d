"""Head gradient is the mean over sequences of the absolute mask gradient of the labelled loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import BertForSequenceClassification, PreTrainedModel

from prunec.calibration.labels import LABELS
from prunec.calibration.masked import masked_program, open_masks
from prunec.errors import InputError
from prunec.passbase import Context
from tests.passes.analysis.importance.scoring import scores
from tests.passes.cases import Batch, Case

HEADS = "bert.encoder.layer.1.attention.output.dense"
NEURONS = "bert.encoder.layer.1.output.dense"


def sequences(case: Case) -> list[Batch]:
    """Every text alone, without padding, with its label."""
    return [
        {
            name: value[row : row + 1] if name == LABELS else value[row : row + 1, batch["attention_mask"][row].bool()]
            for name, value in batch.items()
        }
        for batch in case.corpus.score
        for row in range(len(batch["input_ids"]))
    ]


def loss(logits: Tensor, row: Batch) -> Tensor:
    return -logits.log_softmax(-1)[0, int(row[LABELS])]


def test_it_is_what_autograd_says(classifier: Case, tiny_classifier_dir: Path, context: Context) -> None:
    module: PreTrainedModel = BertForSequenceClassification.from_pretrained(tiny_classifier_dir).eval()
    seen: list[Tensor] = []

    def keep(_: torch.nn.Module, arguments: tuple[Tensor, ...]) -> None:
        arguments[0].retain_grad()
        seen.append(arguments[0])

    module.get_submodule(HEADS).register_forward_pre_hook(keep)
    for row in sequences(classifier):
        inputs = {name: value for name, value in row.items() if name != LABELS}
        loss(module(**inputs).logits, row).backward()
    gradients = [
        (read.detach() * read.grad).sum((0, 1)).view(4, 16).sum(1).abs() for read in seen if read.grad is not None
    ]
    expected = torch.stack(gradients).double().mean(0).numpy()
    assert scores(classifier, "head-gradient", context)[HEADS] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_it_is_the_slope_of_the_loss_in_the_mask(classifier: Case, context: Context) -> None:
    masked, step = masked_program(classifier.program, classifier.structure), 0.02

    def slope(unit: int, row: Batch) -> float:
        at: list[float] = []
        for mask in (1 + step, 1 - step):
            masks = open_masks(classifier.structure)
            masks[f"mask.{HEADS}"][unit] = mask
            with torch.no_grad():
                at.append(float(loss(masked({**row, **masks})["logits"].double(), row)))
        return (at[0] - at[1]) / (2 * step)

    found = scores(classifier, "head-gradient", context)[HEADS]
    expected = [np.mean([abs(slope(unit, row)) for row in sequences(classifier)]) for unit in range(4)]
    assert found == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("family", "unit", "columns"), [(HEADS, 2, slice(32, 48)), (NEURONS, 7, slice(7, 8))])
def test_a_unit_that_is_projected_to_zero_comes_last(
    family: str, unit: int, columns: slice, classifier: Case, context: Context
) -> None:
    weight = classifier.program.tensor(f"{family}.weight").detach().clone()
    weight[:, columns] = 0
    changed = classifier.with_tensors(**{f"{family}.weight".replace(".", "__"): weight})
    found = scores(changed, "head-gradient", context)
    assert found[family][unit] == pytest.approx(0, abs=1e-12)
    assert int(found[family].argmin()) == unit
    assert np.delete(found[family], unit).min() > 1e-9


def test_neither_order_nor_batching_changes_it(classifier: Case, context: Context) -> None:
    apart = tuple(
        {name: value[row : row + 1] for name, value in batch.items()}
        for batch in reversed(classifier.corpus.score)
        for row in (2, 0, 3, 1)
    )
    split = replace(classifier, corpus=replace(classifier.corpus, score=apart))
    together: Mapping[str, np.ndarray] = scores(classifier, "head-gradient", context)
    for family, found in scores(split, "head-gradient", context).items():
        assert found == pytest.approx(together[family], rel=1e-4, abs=1e-7)


def test_other_labels_are_another_loss(classifier: Case, context: Context) -> None:
    other = tuple({**batch, LABELS: (batch[LABELS] + 1) % 3} for batch in classifier.corpus.score)
    relabelled = replace(classifier, corpus=replace(classifier.corpus, score=other))
    found, again = (scores(case, "head-gradient", context)[HEADS] for case in (classifier, relabelled))
    assert not np.allclose(found, again, rtol=0.01)


def test_a_text_that_labels_itself_is_enough(llama: Case, context: Context) -> None:
    found = scores(llama, "head-gradient", context)
    for family, values in scores(llama, "taylor", context).items():
        assert found[family] == pytest.approx(values)


def test_a_task_without_a_truth_is_refused(bert: Case, context: Context) -> None:
    with pytest.raises(InputError, match=r"head-gradient needs labels.*"):
        scores(bert, "head-gradient", context)
