"""An encoder-decoder is compiled from its folder like any other model, on text alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer, GenerationConfig, T5ForConditionalGeneration

import prunec
from prunec import cli
from prunec.backends.onnx import OnnxBackend
from prunec.calibration.sources import read_texts
from prunec.calibration.textsource import Text, TextSource
from prunec.calibration.tokens import DECODER, DECODER_MASK
from prunec.drivers.evaluator import evaluate
from prunec.errors import InputError
from prunec.frontends.huggingface import load
from prunec.passbase import Silent
from tests.conftest import save_model, tiny_tokenizer

TEXT = "".join(
    f"Story {number}: a fox of {number} years met a crow, and they spoke of cheese.\n\n" for number in range(90)
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5 whose heads are together narrower than its stream, as in some published ones."""
    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    config: Any = AutoConfig.for_model(
        "t5",
        vocab_size=len(tokenizer),
        d_model=40,
        d_kv=8,
        d_ff=24,
        num_layers=2,
        num_heads=3,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    )
    return save_model(T5ForConditionalGeneration(config), tokenizer, tmp_path_factory.mktemp("tiny-t5"))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "stories.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def slim(model: Path, text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled by the default pipeline under a budget that leaves no choice to timings."""
    path = tmp_path_factory.mktemp("slim") / "slim.onnx"
    prunec.compile(model, path, budget_params=27_000, calibration=text, distill_minutes=0.05, no_rival=True)
    return path


def test_it_is_cut_to_its_budget(slim: Path) -> None:
    report = json.loads(slim.with_suffix(".report.json").read_text())
    assert report["budget"]["held"]
    assert report["loss"]["texts"][0]["slim"] >= 0


def test_heads_of_one_cross_attention_go_without_those_of_the_others(model: Path) -> None:
    found = json.loads(prunec.inspect(model).to_json())["sublayers"]
    crossing = [tuple(item["families"]) for item in found if "EncDec" in item["name"]]
    assert len(crossing) == len(set(crossing)) == 2


def test_its_sublayers_are_timed_at_every_size(model: Path) -> None:
    passes = "structure, baseline{seconds=0.1}, cost{seconds=0.1}"
    stages = {stage.name: stage.log for stage in prunec.compile(model, speedup=1.01, passes=passes).report.stages}
    assert "tables timed" in stages["cost"]


def test_the_figures_of_its_file_are_of_tokens_that_it_would_write(model: Path, slim: Path, text: Path) -> None:
    found = evaluate(slim, text, model=model, tokens=400)
    (row,) = found.rows
    assert row.artifact > 0
    assert row.dense == 0
    assert evaluate(slim, text, model=model, tokens=400).rows == found.rows


def test_its_file_answers_as_transformers_does(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = load(model)
    OnnxBackend().emit(loaded.program, tmp_path / "dense.onnx")
    tokenizer = AutoTokenizer.from_pretrained(model)
    ids = tokenizer("A fox met a crow", return_tensors="pt", return_token_type_ids=False)
    whole: Any = AutoModelForSeq2SeqLM.from_pretrained(model)
    whole.generation_config = GenerationConfig(do_sample=False, max_new_tokens=12, eos_token_id=1, pad_token_id=0)
    written = whole.generate(**ids, decoder_start_token_id=0)[0, 1:]
    expected = str(tokenizer.decode(written, skip_special_tokens=True))
    assert (
        cli.main(["run", str(tmp_path / "dense.onnx"), "A fox met a crow", "--tokenizer", str(model), "--tokens", "12"])
        == 0
    )
    assert capsys.readouterr().out.startswith(expected)


def test_batches_hold_what_the_decoder_reads(model: Path, text: Path) -> None:
    loaded = load(model)
    source = TextSource(32, tokenizer=loaded.tokenizer, texts={"": Text(read_texts(text), "")}, replier=loaded.replier)
    corpus = source.build(loaded.program, tokens=(800, 200, 200), batch=4, seed=0, progress=Silent())
    for batch in (*corpus.score, *corpus.choose, *corpus.report, *corpus.training(400, 2)):
        assert batch[DECODER].shape == batch[DECODER_MASK].shape
        assert len(batch[DECODER]) == len(batch["input_ids"])


def test_a_pruned_checkpoint_can_be_pruned_again(model: Path, text: Path, tmp_path: Path) -> None:
    usual: dict[str, Any] = {"calibration": text, "recover": "none", "search": "uniform", "no_rival": True}
    prunec.compile(model, tmp_path / "once", budget_params=36_000, emit="hf", **usual)
    again = prunec.compile(tmp_path / "once", budget_params=30_000, **usual)
    assert again.report.budget.held


def test_answers_of_nothing_are_not_guessed(model: Path, text: Path) -> None:
    loaded = load(model)
    source = TextSource(32, tokenizer=loaded.tokenizer, texts={"": Text(read_texts(text), "")})
    with pytest.raises(InputError, match="cannot feed the input decoder_input_ids"):
        source.build(loaded.program, tokens=(80, 20, 20), batch=4, seed=0, progress=Silent())
