"""Folders with a cache say what onnxruntime-genai asks for, and no other folder pretends to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import prunec
from prunec.frontends.huggingface import load
from prunec.ir.program import CachePair, Program
from prunec.report.genai import genai_settings
from tests.test_bad_input import ROUND


@pytest.fixture(scope="module")
def decoder(tiny_llama_dir: Path) -> Program:
    """A tiny Llama with its cache."""
    return load(tiny_llama_dir, with_cache=True).program


def test_names_are_patterns_over_the_layers(decoder: Program) -> None:
    settings = genai_settings(decoder.provenance.config, decoder, "model.onnx")
    assert settings is not None
    told = settings["model"]["decoder"]
    assert told["inputs"]["past_key_names"] == "past_key_values.%d.key"
    assert told["outputs"]["present_value_names"] == "present.%d.value"
    assert {told["inputs"][name] for name in ("input_ids", "attention_mask", "position_ids")} <= {
        item.name for item in decoder.inputs
    }
    assert told["num_hidden_layers"] == len(decoder.caches) // 2
    assert not settings["search"]["past_present_share_buffer"]


def test_the_heads_are_those_of_the_graph(decoder: Program) -> None:
    settings = genai_settings(decoder.provenance.config, decoder, "model.onnx")
    assert settings is not None
    shape = decoder.example[decoder.caches[0].past].shape
    told = settings["model"]["decoder"]
    assert (told["num_key_value_heads"], told["head_size"]) == (shape[1], shape[3])


@pytest.mark.parametrize("end", [7, [7, 9]])
def test_padding_is_the_end_where_the_config_names_none(end: object, decoder: Program) -> None:
    config = {**decoder.provenance.config, "eos_token_id": end, "pad_token_id": None}
    settings = genai_settings(config, decoder, "model.onnx")
    assert settings is not None
    assert settings["model"]["eos_token_id"] == end
    assert settings["model"]["pad_token_id"] == 7


def test_a_gap_in_the_layers_cannot_be_told(decoder: Program) -> None:
    gone = {pair for pair in decoder.caches if ".0." in pair.past}
    inputs = tuple(item for item in decoder.inputs if item.name not in {pair.past for pair in gone})
    caches = tuple(pair for pair in decoder.caches if pair not in gone)
    assert genai_settings(decoder.provenance.config, replace(decoder, inputs=inputs, caches=caches), "a.onnx") is None


def test_an_input_that_decoding_does_not_fill_cannot_be_told(decoder: Program) -> None:
    other = replace(decoder, caches=tuple(CachePair(pair.past, pair.present) for pair in decoder.caches[1:]))
    assert genai_settings(decoder.provenance.config, other, "a.onnx") is None


def test_a_config_that_names_no_longest_text_cannot_be_told(decoder: Program) -> None:
    config = {**decoder.provenance.config, "max_position_embeddings": None}
    assert genai_settings(config, decoder, "a.onnx") is None


def test_a_graph_without_a_cache_has_no_settings(tiny_llama_dir: Path) -> None:
    program = load(tiny_llama_dir).program
    assert genai_settings(program.provenance.config, program, "a.onnx") is None


@pytest.mark.parametrize("cached", [True, False])
def test_the_file_stands_beside_a_graph_with_a_cache_alone(cached: bool, tiny_llama_dir: Path, tmp_path: Path) -> None:
    prunec.compile(
        tiny_llama_dir, f"{tmp_path / 'slim'}/", budget_params="1B", passes=ROUND, threads=1, kv_cache=cached
    )
    found = tmp_path / "slim" / "genai_config.json"
    assert found.is_file() == cached
    if cached:
        assert json.loads(found.read_text())["model"]["decoder"]["filename"] == "model.onnx"
