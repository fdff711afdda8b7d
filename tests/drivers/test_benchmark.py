"""`prunec bench` times artifacts by turns and says what each takes."""

from __future__ import annotations

import json
from pathlib import Path

import onnxruntime as ort
import pytest

import prunec
from prunec import cli
from prunec.backends.onnx import OnnxBackend
from prunec.backends.torchscript import TorchScriptBackend
from prunec.errors import InputError
from prunec.frontends.huggingface import load
from tests.frontends.test_images import tiny_dinov2

pytestmark = pytest.mark.usefixtures("settled")


@pytest.fixture(scope="module")
def artifacts(tiny_bert_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The tiny encoder in both kinds."""
    program = load(tiny_bert_dir).program
    folder = tmp_path_factory.mktemp("artifacts")
    OnnxBackend().emit(program, folder / "model.onnx")
    TorchScriptBackend().emit(program, folder / "model.pt")
    return folder / "model.onnx", folder / "model.pt"


def test_each_artifact_has_its_figures(artifacts: tuple[Path, Path]) -> None:
    found = prunec.bench(artifacts, workload="encode:2x16", threads=1, seconds=0.1)
    first, second = found.rows
    assert (first.artifact, second.artifact) == tuple(map(str, artifacts))
    assert first.against_first == 1
    assert second.runtime.startswith("torch ")
    for row in found.rows:
        assert row.latency.p20_ms <= row.latency.median_ms <= row.latency.p95_ms
        assert row.tokens_per_second == pytest.approx(32e3 / row.latency.median_ms)
        assert row.rows_per_second == pytest.approx(2e3 / row.latency.median_ms)
        assert row.load_ms > 0
    assert first.file_bytes == artifacts[0].stat().st_size


@pytest.fixture(scope="module")
def decoder(tiny_llama_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("decoder") / "decoder.onnx"
    OnnxBackend().emit(load(tiny_llama_dir, with_cache=True).program, path)
    return path


def test_a_token_is_timed_after_those_that_are_cached(decoder: Path) -> None:
    (row,) = prunec.bench([decoder], workload="decode:2@16", threads=1, seconds=0.1).rows
    assert row.tokens_per_second == pytest.approx(2e3 / row.latency.median_ms)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of images as an artifact."""
    folder = tmp_path_factory.mktemp("images")
    OnnxBackend().emit(load(tiny_dinov2(folder / "model")).program, folder / "images.onnx")
    return folder / "images.onnx"


@pytest.mark.parametrize("workload", ["encode:2", "encode:2x128", "prefill:2x16"])
def test_images_have_no_length(images: Path, workload: str) -> None:
    found = prunec.bench([images], workload=workload, threads=1, seconds=0.1)
    (row,) = found.rows
    assert found.workload.text == "encode:2"
    assert row.tokens_per_second is None
    assert row.rows_per_second == pytest.approx(2e3 / row.latency.median_ms)


def test_the_command_prints_rows_a_second_of_images(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", str(images), "--workload", "encode:2", "--threads", "1", "--seconds", "0.1", "-q"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "rows/s" in lines[0]
    assert lines[2].startswith("encode:2, 1 thread, ")


def test_sequences_need_a_length(artifacts: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=r"model\.onnx takes sequences, and encode:2 says nothing .* encode:2x128"):
        prunec.bench(artifacts, workload="encode:2", threads=1, seconds=0.1)


def test_decoding_needs_a_cache(artifacts: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=r"model\.onnx takes no cache, so it cannot decode:1@16"):
        prunec.bench(artifacts[:1], workload="decode:1@16", threads=1, seconds=0.1)


def test_files_beside_an_artifact_count(artifacts: tuple[Path, Path], tmp_path: Path) -> None:
    alone = tmp_path / "model.onnx"
    alone.write_bytes(artifacts[0].read_bytes())
    (tmp_path / "model.onnx.data").write_bytes(bytes(1000))
    (row,) = prunec.bench([alone], workload="encode:1x8", threads=1, seconds=0.1).rows
    assert row.file_bytes == artifacts[0].stat().st_size + 1000


def test_the_command_prints_a_line_for_each(
    artifacts: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    words = ["bench", *map(str, artifacts), "--workload", "encode:1x8", "--threads", "1", "--seconds", "0.1", "-q"]
    assert cli.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["model.onnx", "model.pt"]
    assert lines[3].startswith("encode:1x8, 1 thread, ")


def test_json_is_for_machines(artifacts: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", str(artifacts[0]), "--workload", "encode:1x8", "--threads", "1", "--seconds", "0.1", "--json"]
    assert cli.main([*words, "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["workload"] == {"text": "encode:1x8", "threads": 1}


def test_a_request_that_an_artifact_does_not_take_is_said(artifacts: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=r"model\.onnx does not take encode:1x4096"):
        prunec.bench(artifacts[:1], workload="encode:1x4096", threads=1, seconds=0.1)


@pytest.mark.skipif("CUDAExecutionProvider" in ort.get_available_providers(), reason="there is a GPU")
@pytest.mark.parametrize("words", [["bench", "a.onnx"], ["eval", "a.onnx", "--text", "t.txt"], ["run", "a.onnx", "hi"]])
def test_a_device_that_is_missing_is_never_replaced_unsaid(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.txt").write_text("some words")
    folder = {"bench": [], "eval": ["--model", "."], "run": ["--tokenizer", "."]}[words[0]]
    assert cli.main([*words, *folder, "--device", "cuda", "-q"]) == 2
    assert "has no CUDAExecutionProvider here, but" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.onnx"], "absent.onnx does not exist"),
        (["model.tflite"], "no backend writes model.tflite"),
        (["absent.onnx", "--seconds", "0"], "0 seconds are no time"),
        (["absent.onnx", "--device", "tpu"], "device 'tpu' is not known. Choose cpu or cuda"),
        (
            ["model.pt", "--device", "cuda"],
            "torchscript artifacts know cpu alone. Use an .onnx file, or leave --device",
        ),
        (["absent.onnx", "--workload", "dance:1x8"], "workload 'dance:1x8' is not understood"),
    ],
)
def test_what_cannot_be_timed_is_said(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", *words, "-q"]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
