"""Any module with example inputs becomes a program."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from prunec.errors import InputError
from prunec.frontends.module import trace


class Mlp(nn.Module):
    """Two linear layers and a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(6, 10), nn.Linear(10, 6)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.down(torch.relu(self.up(x)))
        return y


class Twins(nn.Module):
    """Several outputs, by name, from tied layers, with a counter that every call moves."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(6, 6, bias=False)
        self.two = nn.Linear(6, 6, bias=False)
        self.two.weight = self.one.weight
        self.register_buffer("offset", torch.ones(6))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = torch.zeros_like(x)
        y += self.one(x)
        return {"a": y, "b": self.two(x) + self.offset}


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_a_module_equals_eager_at_another_batch() -> None:
    model = Mlp()
    loaded = trace(model, {"x": torch.randn(2, 6)})
    assert loaded.program.outputs == ("output_0",)
    for batch in (1, 5):
        inputs = {"x": torch.randn(batch, 6)}
        torch.testing.assert_close(loaded.program(inputs)["output_0"], model(inputs["x"]))


def test_a_batch_of_one_is_traced_as_dynamic() -> None:
    loaded = trace(Mlp(), {"x": torch.randn(1, 6)})
    assert loaded.program.inputs[0].axes == {0: "batch"}
    assert loaded.program({"x": torch.randn(3, 6)})["output_0"].shape == (3, 6)


def test_named_axes_are_dynamic_and_the_rest_is_not() -> None:
    loaded = trace(Mlp(), {"x": torch.randn(2, 4, 6)}, dynamic_axes={"x": {1: "sequence"}})
    assert loaded.program.inputs[0].axes == {1: "sequence"}
    assert loaded.program({"x": torch.randn(2, 9, 6)})["output_0"].shape == (2, 9, 6)


def test_outputs_by_key_tied_tensors_and_writes_in_place() -> None:
    model = Twins()
    loaded = trace(model, {"x": torch.randn(2, 6)})
    assert loaded.program.outputs == ("a", "b")
    assert sorted(loaded.program.tensor_names()) == ["offset", "one.weight"]
    inputs = {"x": torch.randn(3, 6)}
    for name, value in model(inputs["x"]).items():
        torch.testing.assert_close(loaded.program(inputs)[name], value)
    assert not any(node.target._schema.is_mutable for node in loaded.program.graph.nodes if node.op == "call_function")


def test_the_module_is_left_as_it_was() -> None:
    model = Mlp()
    trace(model, {"x": torch.randn(2, 6)})
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_tensors_share_the_modules_memory() -> None:
    model = Mlp()
    loaded = trace(model, {"x": torch.randn(2, 6)})
    assert loaded.program.tensor("up.weight").data_ptr() == model.up.weight.data_ptr()


def test_a_transformers_model_knows_its_task_and_axes() -> None:
    model = BertModel(
        BertConfig(vocab_size=50, hidden_size=8, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2)
    ).eval()
    inputs = {"input_ids": torch.randint(0, 50, (2, 5)), "attention_mask": torch.ones(2, 5, dtype=torch.long)}
    loaded = trace(model, inputs)
    assert loaded.task.name == "feature-extraction"
    assert loaded.program.inputs[0].axes == {0: "batch", 1: "sequence"}
    longer = {"input_ids": torch.randint(0, 50, (3, 9)), "attention_mask": torch.ones(3, 9, dtype=torch.long)}
    torch.testing.assert_close(loaded.program(longer)["last_hidden_state"], model(**longer).last_hidden_state)


def test_control_flow_on_data_is_refused() -> None:
    with pytest.raises(InputError, match="Branching cannot be traced"):
        trace(Branching(), {"x": torch.randn(2, 6)})


def test_no_inputs() -> None:
    with pytest.raises(InputError, match="no example inputs"):
        trace(Mlp(), {})


def test_an_input_that_is_no_tensor() -> None:
    with pytest.raises(InputError, match="example input x is a list"):
        trace(Mlp(), {"x": [1.0]})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("axes", "message"), [({"y": {0: "batch"}}, "is no example input"), ({"x": {2: "a"}}, "lacks")]
)
def test_axes_that_do_not_fit(axes: dict[str, dict[int, str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        trace(Mlp(), {"x": torch.randn(2, 6)}, dynamic_axes=axes)


def test_an_axis_that_the_model_fixes_is_noted() -> None:
    loaded = trace(nn.Flatten(0), {"input": torch.randn(2, 6)}, dynamic_axes={"input": {0: "batch"}})
    assert loaded.program.inputs[0].axes == {0: "batch"}
    fixed = trace(nn.Unflatten(0, (2, 3)), {"input": torch.randn(6, 2)})
    assert fixed.program.inputs[0].axes == {}
    assert fixed.notes == ("the model fixes the batch axis of input at 6",)
