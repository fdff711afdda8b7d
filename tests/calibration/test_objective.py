"""Each objective against a plain computation, a token at a time."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from prunec.calibration.objective import OBJECTIVES, flips, objective
from prunec.errors import InputError

MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
KEPT = [(row, at) for row in range(2) for at in range(4) if MASK[row, at]]


def draw() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.fixture
def inputs() -> dict[str, Tensor]:
    return {"input_ids": torch.randint(0, 7, (2, 4)), "attention_mask": MASK}


def divergence(dense: Tensor, slim: Tensor) -> float:
    """KL(dense || slim) of two vectors of logits, term by term."""
    p, q = dense.softmax(-1).tolist(), slim.softmax(-1).tolist()
    return math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def cosine(a: Tensor, b: Tensor) -> float:
    return float((a @ b / (a.norm() * b.norm())).item())


@pytest.mark.parametrize("name", ["causal-lm", "logits"])
def test_damage_of_predictions_is_divergence_over_tokens_that_are_not_padding(
    name: str, inputs: dict[str, Tensor]
) -> None:
    dense, slim = torch.randn(2, 4, 7), torch.randn(2, 4, 7)
    total, count = objective(name).damage({"logits": slim}, {"logits": dense}, inputs)
    assert count == len(KEPT)
    assert total == pytest.approx(sum(divergence(dense[at], slim[at]) for at in KEPT), rel=1e-4)


@pytest.mark.parametrize("name", ["causal-lm", "logits"])
def test_training_may_weigh_each_prediction(name: str, inputs: dict[str, Tensor]) -> None:
    dense, slim, weights = torch.randn(2, 4, 7), torch.randn(2, 4, 7), torch.rand(2, 4)
    found = objective(name).distance({"logits": slim}, {"logits": dense}, inputs, weights)
    expected = sum(float(weights[at]) * divergence(dense[at], slim[at]) for at in KEPT) / len(KEPT)
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_a_language_model_is_right_where_it_says_the_next_token(inputs: dict[str, Tensor]) -> None:
    truth = objective("causal-lm").truth(inputs)
    assert truth is not None
    for row, at in [(row, at) for row in range(2) for at in range(4)]:
        known = (row, at) in KEPT and (row, at + 1) in KEPT
        assert truth[row, at] == (inputs["input_ids"][row, at + 1] if known else -1)


def test_only_what_was_right_and_is_wrong_flips() -> None:
    truth = torch.tensor([0, 0, 0, 0, -1])
    dense, slim = (torch.eye(2)[torch.tensor(said)] for said in ([0, 0, 1, 1, 0], [0, 1, 0, 1, 1]))
    assert flips(truth, {"logits": slim}, {"logits": dense}).tolist() == [False, True, False, False, False]


def test_labels_that_may_hold_at_once_are_compared_one_by_one(inputs: dict[str, Tensor]) -> None:
    dense, slim = torch.randn(2, 3), torch.randn(2, 3)
    total, count = objective("label-sets").damage({"logits": slim}, {"logits": dense}, inputs)
    pairs = zip(dense.flatten(), slim.flatten(), strict=True)
    expected = sum(divergence(torch.stack([a, a * 0]), torch.stack([b, b * 0])) for a, b in pairs)
    assert count == 2
    assert total == pytest.approx(expected, rel=1e-4)


def test_a_shift_of_all_labels_is_damage_where_they_may_hold_at_once(inputs: dict[str, Tensor]) -> None:
    dense = torch.randn(2, 3)
    damages = [
        objective(name).damage({"logits": dense + 2}, {"logits": dense}, inputs)[0] for name in ("logits", "label-sets")
    ]
    assert damages[0] == pytest.approx(0, abs=1e-6)
    assert damages[1] > 0.1


def test_a_number_is_compared_as_a_number(inputs: dict[str, Tensor]) -> None:
    dense, slim = torch.tensor([[1.0], [2.0]]), torch.tensor([[1.5], [1.0]])
    assert objective("values").damage({"logits": slim}, {"logits": dense}, inputs) == (1.25, 2.0)


def test_objects_are_compared_by_what_they_are_and_where(inputs: dict[str, Tensor]) -> None:
    dense = {"logits": torch.randn(1, 3, 7), "pred_boxes": torch.rand(1, 3, 4)}
    slim = {"logits": torch.randn(1, 3, 7), "pred_boxes": dense["pred_boxes"].clone()}
    slim["pred_boxes"][0, 1, 2] += 0.2
    total, count = objective("detections").damage(slim, dense, inputs)
    classes = sum(divergence(dense["logits"][0, at], slim["logits"][0, at]) for at in range(3))
    assert count == 3
    assert total == pytest.approx(classes + 5 * 0.2, rel=1e-4)


def test_what_objects_are_and_where_both_have_gradients() -> None:
    outputs = {"logits": torch.randn(1, 3, 7, requires_grad=True), "pred_boxes": torch.rand(1, 3, 4).requires_grad_()}
    objective("detections").target(outputs, {}, draw()).backward()
    assert all(value.grad is not None and value.grad.any() for value in outputs.values())


def test_classes_of_pixels_are_the_second_axis() -> None:
    dense, slim = torch.randn(1, 3, 2, 2), torch.randn(1, 3, 2, 2)
    total, count = objective("logits").damage({"logits": slim}, {"logits": dense}, {})
    pixels = [(row, column) for row in range(2) for column in range(2)]
    assert count == len(pixels)
    assert total == pytest.approx(sum(divergence(dense[0, :, r, c], slim[0, :, r, c]) for r, c in pixels), rel=1e-4)


@pytest.mark.parametrize("name", ["logits", "features"])
def test_the_padding_of_an_encoder_is_not_that_of_its_decoder(name: str, inputs: dict[str, Tensor]) -> None:
    dense, slim = {"logits": torch.randn(2, 4, 7)}, {"logits": torch.randn(2, 4, 7)}
    decoding = inputs | {"decoder_input_ids": inputs["input_ids"]}
    goal = objective(name)
    assert goal.damage(slim, dense, decoding) == goal.damage(slim, dense, {"input_ids": inputs["input_ids"]})


def test_features_of_fewer_positions_than_the_mask_are_projected_whole(inputs: dict[str, Tensor]) -> None:
    features = torch.randn(2, 3, 5, requires_grad=True)
    target = objective("features").target({"h": features}, {"attention_mask": MASK}, draw())
    (gradient,) = torch.autograd.grad(target, [features])
    assert gradient.all()


def test_a_class_is_one_prediction_whatever_the_padding(inputs: dict[str, Tensor]) -> None:
    dense, slim = torch.randn(2, 3), torch.randn(2, 3)
    total, count = objective("logits").damage({"logits": slim}, {"logits": dense}, inputs)
    assert count == 2
    assert total == pytest.approx(sum(divergence(dense[row], slim[row]) for row in range(2)), rel=1e-4)


def test_the_report_of_a_language_model_is_cross_entropy(inputs: dict[str, Tensor]) -> None:
    logits = torch.randn(2, 4, 7)
    total, count = objective("causal-lm").report({"logits": logits}, {}, inputs)
    followed = [(row, at) for row, at in KEPT if at + 1 < 4 and MASK[row, at + 1]]
    expected = [-float(logits[at].log_softmax(-1)[inputs["input_ids"][at[0], at[1] + 1]]) for at in followed]
    assert count == len(followed)
    assert total == pytest.approx(sum(expected), rel=1e-5)


def test_its_target_is_the_same_sum_with_a_gradient(inputs: dict[str, Tensor]) -> None:
    logits = torch.randn(2, 4, 7, requires_grad=True)
    target = objective("causal-lm").target({"logits": logits}, inputs, draw())
    figure, _ = objective("causal-lm").report({"logits": logits.detach()}, {}, inputs)
    assert target.item() == pytest.approx(figure)
    (gradient,) = torch.autograd.grad(target, [logits])
    assert not gradient[1, 2:].any()


def test_features_are_compared_by_token_and_by_mean(inputs: dict[str, Tensor]) -> None:
    dense, slim = torch.randn(2, 4, 5), torch.randn(2, 4, 5)
    total, count = objective("features").damage({"h": slim}, {"h": dense}, inputs)
    expected = 0.0
    for row, length in enumerate((4, 2)):
        tokens = [1 - cosine(dense[row, at], slim[row, at]) for at in range(length)]
        pooled = 1 - cosine(dense[row, :length].mean(0), slim[row, :length].mean(0))
        expected += (pooled + sum(tokens) / length) / 2
    assert count == 2
    assert total == pytest.approx(expected, rel=1e-4)


def test_the_report_of_features_is_the_cosine_of_means(inputs: dict[str, Tensor]) -> None:
    dense, slim = torch.randn(2, 4, 5), torch.randn(2, 4, 5)
    total, count = objective("features").report({"h": slim}, {"h": dense}, inputs)
    expected = sum(cosine(dense[r, :n].mean(0), slim[r, :n].mean(0)) for r, n in enumerate((4, 2)))
    assert count == 2
    assert total == pytest.approx(expected, rel=1e-4)


def one(values: dict[str, Tensor], row: int) -> dict[str, Tensor]:
    return {name: value[row : row + 1] for name, value in values.items()}


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_what_is_equal_is_not_damaged_and_damages_add_up(name: str, inputs: dict[str, Tensor]) -> None:
    dense, slim = {"logits": torch.randn(2, 4, 7)}, {"logits": torch.randn(2, 4, 7)}
    goal = objective(name)
    assert goal.damage(dense, dense, inputs)[0] == pytest.approx(0, abs=1e-6)
    rows = [goal.damage(one(slim, r), one(dense, r), one(inputs, r)) for r in range(2)]
    total, count = goal.damage(slim, dense, inputs)
    assert total == pytest.approx(sum(value for value, _ in rows), rel=1e-4)
    assert count == sum(items for _, items in rows)


@pytest.mark.parametrize("name", ["causal-lm", "logits"])
def test_the_distance_of_predictions_is_their_mean_damage_with_a_gradient(name: str, inputs: dict[str, Tensor]) -> None:
    dense, slim = {"logits": torch.randn(2, 4, 7)}, {"logits": torch.randn(2, 4, 7, requires_grad=True)}
    distance = objective(name).distance(slim, dense, inputs)
    with torch.no_grad():
        total, count = objective(name).damage(slim, dense, inputs)
    assert distance.item() == pytest.approx(total / count, rel=1e-6)
    (gradient,) = torch.autograd.grad(distance, [slim["logits"]])
    assert gradient[0].any()
    assert not gradient[1, 2:].any()


def test_the_distance_of_features_counts_sizes_too(inputs: dict[str, Tensor]) -> None:
    dense, slim = {"h": torch.randn(2, 4, 5)}, {"h": torch.randn(2, 4, 5, requires_grad=True)}
    distance = objective("features").distance(slim, dense, inputs)
    with torch.no_grad():
        total, count = objective("features").damage(slim, dense, inputs)
    rows = [(slim["h"].detach()[at], dense["h"][at]) for at in KEPT]
    errors = [float((own - reference).square().sum() / reference.square().sum()) for own, reference in rows]
    assert distance.item() == pytest.approx(total / count + sum(errors) / len(errors), rel=1e-5)
    (gradient,) = torch.autograd.grad(distance, [slim["h"]])
    assert not gradient[1, 2:].any()
    doubled = objective("features").distance({"h": 2 * dense["h"]}, dense, inputs)
    assert doubled.item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["features", "logits"])
def test_targets_are_drawn_by_the_generator_alone(name: str) -> None:
    outputs = {"logits": torch.randn(1, 4, 7)}
    first, again, other = (
        float(objective(name).target(outputs, {}, torch.Generator().manual_seed(seed))) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_an_unknown_objective_is_refused() -> None:
    with pytest.raises(InputError, match="causal-lm, features, logits"):
        objective("speed")


def test_maps_of_features_are_compared_place_by_place() -> None:
    places, inputs = (torch.randn(2, 6, 5), torch.randn(2, 6, 5)), {"pixel_values": torch.randn(2, 3, 8, 12)}
    slim, dense = ({"last_hidden_state": value} for value in places)
    slim_map, dense_map = ({"last_hidden_state": value.mT.reshape(2, 5, 2, 3)} for value in places)
    features = objective("features")
    assert features.damage(slim_map, dense_map, inputs) == pytest.approx(features.damage(slim, dense, inputs))
    assert features.report(slim_map, dense_map, inputs) == pytest.approx(features.report(slim, dense, inputs))
    found, expected = features.distance(slim_map, dense_map, inputs), features.distance(slim, dense, inputs)
    assert float(found) == pytest.approx(float(expected))
