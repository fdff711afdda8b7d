"""Any module with example inputs becomes a program."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from prunec.errors import InputError
from prunec.frontends.module import trace
from prunec.ir.program import Program


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


class Options(nn.Module):
    """What it computes depends on arguments that are no tensors."""

    def forward(self, x: Tensor, scale: int, mode: str, shift: Tensor | None, double: bool) -> Tensor:
        y = x * scale + (1 if mode == "plus" else -1)
        y = y if shift is None else y + shift
        return 2 * y if double else y


class Nested(nn.Module):
    def forward(self, x: Tensor, states: tuple[Tensor, dict[str, list[Tensor]]]) -> Tensor:
        return x + states[0] * states[1]["more"][0]


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


def test_no_inputs() -> None:
    with pytest.raises(InputError, match="no example inputs"):
        trace(Mlp(), {})


def test_an_input_that_is_no_tensor() -> None:
    with pytest.raises(InputError, match=r"example input x\.1 is a ndarray\. give tensors"):
        trace(Mlp(), {"x": (torch.ones(2, 6), np.ones(2))})


def test_constants_are_traced_as_they_are() -> None:
    loaded = trace(Options(), {"x": torch.randn(2, 6), "scale": 3, "mode": "plus", "shift": None, "double": True})
    assert [item.name for item in loaded.program.inputs] == ["x"]
    x = torch.randn(4, 6)
    torch.testing.assert_close(loaded.program({"x": x})["output_0"], 2 * (x * 3 + 1))


def test_tensors_inside_tuples_and_dicts_go_by_their_path() -> None:
    states = (torch.randn(2, 6), {"more": [torch.randn(2, 6)]})
    loaded = trace(Nested(), {"x": torch.randn(2, 6), "states": states})
    assert [item.name for item in loaded.program.inputs] == ["x", "states.0", "states.1.more.0"]
    assert all(item.axes == {0: "batch"} for item in loaded.program.inputs)
    fed = {item.name: torch.randn(3, 6) for item in loaded.program.inputs}
    expected = fed["x"] + fed["states.0"] * fed["states.1.more.0"]
    torch.testing.assert_close(loaded.program(fed)["output_0"], expected)


@pytest.mark.parametrize("with_maps", [False, True])
def test_a_transformers_model_of_an_unknown_task_gives_all_its_outputs_but_maps_of_attentions(with_maps: bool) -> None:
    class Headless(BertModel):
        """A class that no registry knows."""

    config = BertConfig(vocab_size=50, hidden_size=8, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2)
    config._attn_implementation = "eager"
    config.output_attentions = with_maps
    loaded = trace(Headless(config), {"input_ids": torch.randint(0, 50, (2, 5))})
    assert loaded.task.name == "feature-extraction"
    assert loaded.program.outputs == ("last_hidden_state", "pooler_output")


def test_a_model_on_the_meta_device_has_the_graph_and_ties_of_the_real_one() -> None:
    def program(device: str) -> Program:
        with torch.device(device):
            model = Twins()
        return trace(model, {"x": torch.randn(2, 6)}).program

    meta = program("meta")
    assert all(tensor.is_meta for tensor in (*meta.tensors().values(), *meta.example.values()))
    assert meta.text().replace("device(type='meta')", "device(type='cpu')") == program("cpu").text()


@pytest.mark.parametrize(
    ("axes", "message"), [({"y": {0: "batch"}}, "is no example input"), ({"x": {2: "a"}}, "lacks")]
)
def test_axes_that_do_not_fit(axes: dict[str, dict[int, str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        trace(Mlp(), {"x": torch.randn(2, 6)}, dynamic_axes=axes)


def test_a_size_of_one_that_cannot_be_doubled_is_static() -> None:
    model = nn.Conv1d(1, 4, 3)
    axes = {0: "batch", 1: "channel", 2: "sequence"}
    loaded = trace(model, {"input": torch.randn(2, 1, 9)}, dynamic_axes={"input": axes})
    (item,) = loaded.program.inputs
    assert (item.axes, item.fixed) == ({0: "batch", 2: "sequence"}, {"channel": 1})
    assert loaded.notes == ("the model fixes the channel axis of input at 1",)
    inputs = {"input": torch.randn(3, 1, 12)}
    torch.testing.assert_close(loaded.program(inputs)["output_0"], model(inputs["input"]))


def test_an_axis_is_static_wherever_its_name_stands_for_the_size_that_is_fixed() -> None:
    class Reshaping(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x.reshape(-1, 4 if x.shape[0] == 2 else 6).sum() + y

    loaded = trace(Reshaping(), {"x": torch.randn(2, 6), "y": torch.randn(2, 6)})
    assert [(item.axes, item.fixed) for item in loaded.program.inputs] == [({}, {"batch": 2})] * 2


def test_what_only_strict_tracing_understands_is_traced_strictly() -> None:
    class ThroughNumpy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.from_numpy(x.numpy() * 2)

    loaded = trace(ThroughNumpy(), {"x": torch.randn(2, 6)})
    assert loaded.notes == ("ThroughNumpy can be traced by strict torch.export only",)
    x = torch.randn(5, 6)
    torch.testing.assert_close(loaded.program({"x": x})["output_0"], 3 * x)


def test_an_axis_that_the_model_fixes_is_noted() -> None:
    loaded = trace(nn.Flatten(0), {"input": torch.randn(2, 6)}, dynamic_axes={"input": {0: "batch"}})
    assert loaded.program.inputs[0].axes == {0: "batch"}
    fixed = trace(nn.Unflatten(0, (2, 3)), {"input": torch.randn(6, 2)})
    assert fixed.program.inputs[0].axes == {}
    assert fixed.notes == ("the model fixes the batch axis of input at 6",)
