"""Everything that can be wrong with what a user gives: one line on standard error, and nothing left behind."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MambaConfig, MambaForCausalLM, PreTrainedTokenizerFast

from prunec import cli, files
from prunec.passes.analysis.damage import DamagePass
from prunec.passes.analysis.emit import EmitPass

ROUND = (
    "structure, baseline{seconds=0}, cost, calibrate{score=256, choose=256, report=256}, importance, damage, knapsack, "
    "remove, settle{seconds=0}, recover, emit, verify{seconds=0}, evaluate"
)

pytestmark = pytest.mark.usefixtures("settled")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder for the output."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def model(tiny_llama_dir: Path, tmp_path: Path) -> Path:
    """A copy of the tiny Llama, to be damaged."""
    return shutil.copytree(tiny_llama_dir, tmp_path / "model")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Enough text for `ROUND`."""
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join(f"Paragraph {n} of a text about the number {n * n % 97}." * 3 for n in range(120)))
    return path


class Refusal:
    """Runs the command and checks that it fails well."""

    def __init__(self, capsys: pytest.CaptureFixture[str], out: Path) -> None:
        self.capsys, self.out = capsys, out

    def __call__(self, model: Path | str, *more: str, code: int = 2, output: str = "slim.onnx") -> str:
        """The one line, without its beginning; the output folder holds what it held before."""
        before = {path: path.read_bytes() for path in self.out.iterdir()}
        self.capsys.readouterr()
        words = [str(model), "-o", str(self.out / output), "--quiet", "--threads", "1", *more]
        found = cli.main(words)
        out, err = self.capsys.readouterr()
        assert found == code, err
        assert not out
        assert err.startswith("prunec: error: "), err
        assert err.count("\n") == 1
        assert "Traceback" not in err
        assert {path: path.read_bytes() for path in self.out.iterdir()} == before
        return err.removeprefix("prunec: error: ").strip()


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str], out: Path) -> Refusal:
    return Refusal(capsys, out)


BUDGET = ("--budget-params", "60k")


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_no_such_directory(refuse: Refusal, tmp_path: Path) -> None:
    assert refuse(tmp_path / "nowhere", *BUDGET).startswith(f"there is no directory {tmp_path / 'nowhere'}. Give a")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--dtype", "int3"), "dtype 'int3' is not known. Choose fp32, fp16, int8, int4"),
        (("--device", "tpu"), "device 'tpu' is not known. Choose cpu or cuda"),
        (("--dtype", "int8", "--passes", "structure, emit, verify"), "the passes do not prepare for it"),
    ],
)
def test_numerics_that_cannot_be_had(refuse: Refusal, model: Path, words: tuple[str, ...], message: str) -> None:
    assert message in refuse(model, *BUDGET, *words)


def test_numerics_that_the_artifact_does_not_know(refuse: Refusal, model: Path) -> None:
    assert "torchscript artifacts know fp32 alone" in refuse(model, *BUDGET, "--dtype", "int8", output="slim.pt")


@pytest.mark.parametrize(
    ("opset", "output", "message"),
    [
        ("17", "slim.onnx", "files of opset 17 cannot be written: prunec knows 18 to 23"),
        ("20", "slim.pt2", "--opset 20 is asked for, and torch-export artifacts name no operators of ONNX"),
    ],
)
def test_operators_that_cannot_be_had(refuse: Refusal, model: Path, opset: str, output: str, message: str) -> None:
    assert message in refuse(model, *BUDGET, "--opset", opset, output=output)


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="there is a GPU")
def test_a_device_without_a_provider(refuse: Refusal, model: Path) -> None:
    assert "no CUDAExecutionProvider here" in refuse(model, *BUDGET, "--device", "cuda")


def test_a_directory_without_a_config(refuse: Refusal, model: Path) -> None:
    (model / "config.json").unlink()
    assert "no config.json in" in refuse(model, *BUDGET)


def test_a_config_that_is_not_json(refuse: Refusal, model: Path) -> None:
    (model / "config.json").write_text("{")
    assert "is not JSON" in refuse(model, *BUDGET)


def test_no_weights(refuse: Refusal, model: Path) -> None:
    (model / "model.safetensors").unlink()
    assert refuse(model, *BUDGET).startswith(f"no weights in {model}")


def test_truncated_weights(refuse: Refusal, model: Path) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "model.safetensors is truncated" in refuse(model, *BUDGET)


def test_pickled_weights_alone(refuse: Refusal, model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    assert "pickle" in refuse(model, *BUDGET)


def test_remote_code(refuse: Refusal, model: Path) -> None:
    edit_config(model, model_type="mine", auto_map={"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model"})
    assert "--trust-remote-code" in refuse(model, *BUDGET)


def test_an_unknown_task(refuse: Refusal, model: Path) -> None:
    assert refuse(model, *BUDGET, "--task", "text-generaton").startswith("unknown task 'text-generaton'. Did you mean")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--budget-latency", "20mb"), "'20mb' is not a latency"),
        (("--budget-size", "200"), "'200' is not a size"),
        (("--budget-params", "0"), "number of parameters '0' is not a positive"),
        (("--budget-latency", "-5ms"), "latency '-5ms' is not a positive"),
        (("--speedup", "0.9"), "speedup '0.9' is not above 1"),
        ((), "no budget is given. Give one of --budget-latency"),
        (
            ("--speedup", "2", "--budget-params", "1M"),
            "2 budgets are given: --speedup, --budget-params. Give",
        ),
    ],
)
def test_budgets(words: tuple[str, ...], message: str, refuse: Refusal, model: Path) -> None:
    assert refuse(model, *words).startswith(message)


def test_an_output_folder_that_is_not_there(refuse: Refusal, model: Path) -> None:
    assert "does not exist. Create it: mkdir -p" in refuse(model, *BUDGET, output="deep/slim.onnx")


def test_an_output_folder_that_cannot_be_written(refuse: Refusal, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    assert "cannot be written (Permission denied)" in refuse(model, *BUDGET)


def test_an_existing_output_stays_as_it_is(refuse: Refusal, model: Path, out: Path) -> None:
    (out / "slim.onnx").write_text("precious")
    assert "exists already" in refuse(model, *BUDGET)


def test_an_existing_report_stays_as_it_is(refuse: Refusal, model: Path, out: Path) -> None:
    (out / "slim.report.json").write_text("precious")
    assert "slim.report.json exists already" in refuse(model, *BUDGET)


def test_an_unknown_suffix(refuse: Refusal, model: Path) -> None:
    assert "no backend writes slim.gguf" in refuse(model, *BUDGET, output="slim.gguf")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.txt", None, "none.txt does not exist"),
        ("empty.txt", b" \n", "holds no text"),
        ("latin.txt", "Stra\xdfe\n".encode("latin-1") * 9, "is not UTF-8 text (byte 4)"),
        ("bad.jsonl", b'{"text": "a"}\nnonsense\n', "line 2 of"),
        ("bare.jsonl", b'{"body": "a"}\n', 'has no "text"'),
        ("text.csv", b"a,b\n", "holds nothing that can be read"),
    ],
)
def test_calibration_text(
    name: str, content: bytes | None, message: str, refuse: Refusal, model: Path, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert message in refuse(model, *BUDGET, "--calibration", str(tmp_path / name))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("a=x.txt a=y.txt", "two texts are called a"),
        ("a=x.txt y.txt", "of 2 texts y.txt has no name"),
        ("a= b=y.txt", "the text a has no path"),
        ("a=x.txt b=y.txt", "the text x.txt does not exist"),
    ],
)
def test_named_calibration_texts(words: str, message: str, refuse: Refusal, model: Path) -> None:
    options = [part for word in words.split() for part in ("--calibration", word)]
    assert message in refuse(model, *BUDGET, *options)


def test_too_little_calibration_text(refuse: Refusal, model: Path, tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("A few words.\n")
    assert "is too little to calibrate with" in refuse(model, *BUDGET, "--calibration", str(tmp_path / "few.txt"))


@pytest.fixture
def labelled(tmp_path: Path) -> Callable[..., Path]:
    """Writes texts with the labels `names` by turns."""

    def write(*names: object, rows: int = 60) -> Path:
        path = tmp_path / "labelled.jsonl"
        lines: list[dict[str, object]] = [{"text": f"Row {n} of a text about {n * n % 97}."} for n in range(rows)]
        for number, line in enumerate(lines):
            if (name := names[number % len(names)]) is not None:
                line["label"] = name
        path.write_text("\n".join(map(json.dumps, lines)))
        return path

    return write


def test_an_unknown_label(refuse: Refusal, tiny_classifier_dir: Path, labelled: Callable[..., Path]) -> None:
    path = labelled("law", "sports")
    message = refuse(tiny_classifier_dir, *BUDGET, "--calibration", str(path))
    assert message.startswith(f"line 2 of {path} has the label 'sports', which the model does not know. Did you mean s")
    assert message.endswith("its labels are law, sport, weather, or 0 to 2")


def test_labels_on_some_rows(refuse: Refusal, tiny_classifier_dir: Path, labelled: Callable[..., Path]) -> None:
    path = labelled("law", None)
    message = refuse(tiny_classifier_dir, *BUDGET, "--calibration", str(path))
    assert message.startswith(f"line 1 of {path} has a label, and other calibration text has none. Label all rows")


def test_too_few_labelled_rows(refuse: Refusal, tiny_classifier_dir: Path, labelled: Callable[..., Path]) -> None:
    path = labelled("law", "sport", rows=2)
    message = refuse(tiny_classifier_dir, *BUDGET, "--calibration", str(path))
    assert "3 rows of 3 tokens" in message


def test_a_criterion_that_needs_labels(refuse: Refusal, tiny_classifier_dir: Path, text: Path) -> None:
    words = ("--passes", ROUND.replace("importance", "importance{head-gradient}"), "--calibration", str(text))
    message = refuse(tiny_classifier_dir, *BUDGET, *words)
    assert message.startswith("head-gradient needs labels, and the calibration text has none for this model")
    assert message.endswith('rows such as {"text": "...", "label": "..."}')


def test_too_few_tokens_for_a_sample(refuse: Refusal, tiny_classifier_dir: Path, labelled: Callable[..., Path]) -> None:
    passes = ROUND.replace("importance", "importance{mutual-information}").replace("=256", "=24")
    message = refuse(tiny_classifier_dir, *BUDGET, "--passes", passes, "--calibration", str(labelled("law", "sport")))
    assert message.startswith("a sample of 32 tokens is needed, and the scoring text gives ")
    assert "give more text with --calibration" in message.lower()


def test_a_sequence_longer_than_the_model_takes(refuse: Refusal, model: Path) -> None:
    message = refuse(model, *BUDGET, "--workload", "prefill:1x257")
    assert message == "a sequence of 257 is longer than the model takes. Give 256 or fewer"


@pytest.mark.parametrize(
    "workload", ["prefill", "prefill:1", "prefill:0x8", "train:1x8", "prefill:1x1", "decode:1x8", "prefill:1@8"]
)
def test_a_malformed_workload(workload: str, refuse: Refusal, model: Path) -> None:
    message = refuse(model, *BUDGET, "--workload", workload)
    assert message.startswith((f"workload '{workload}' is not understood", "a sequence of 1 is too short"))


def test_a_past_longer_than_the_model_takes(refuse: Refusal, model: Path) -> None:
    message = refuse(model, *BUDGET, "--workload", "decode:1@256")
    assert message == "a sequence of 257 is longer than the model takes. Give 256 or fewer"


@pytest.mark.parametrize("words", [("--workload", "decode:1@8"), ("--kv-cache",)])
def test_a_cache_of_a_model_that_keeps_none(words: tuple[str, ...], refuse: Refusal, tiny_bert_dir: Path) -> None:
    message = refuse(tiny_bert_dir, *BUDGET, *words)
    assert message.startswith("BertForMaskedLM cannot be traced with a key-value cache: it ")
    assert message.endswith("Compile it without: for a workload that does not decode, without --kv-cache")


def test_a_cache_of_another_kind(refuse: Refusal, tmp_path: Path) -> None:
    model = MambaForCausalLM(MambaConfig(vocab_size=50, hidden_size=8, num_hidden_layers=1, state_size=4))
    model.save_pretrained(tmp_path / "mamba")
    message = refuse(tmp_path / "mamba", *BUDGET, "--workload", "decode:1@8")
    assert message.startswith("MambaForCausalLM cannot be traced with a key-value cache: it ")


def test_a_malformed_workload_is_said_before_the_model_is_loaded(
    refuse: Refusal, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prunec.drivers.job.load", lambda *words: pytest.fail("the model was loaded"))
    assert "is not understood" in refuse(model, *BUDGET, "--workload", "prefill")


def test_a_workload_of_another_phase(refuse: Refusal, model: Path) -> None:
    message = refuse(model, *BUDGET, "--workload", "encode:2x8")
    assert message.endswith("a model for text-generation has prefill. Write prefill:2x8")


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        ("last", "--logits last is for models that predict the next token, and this one is for fill-mask."),
        ("first", "logits of 'first' are not known. Choose all or last"),
    ],
)
def test_logits_that_the_model_cannot_give(logits: str, message: str, refuse: Refusal, tiny_bert_dir: Path) -> None:
    assert refuse(tiny_bert_dir, *BUDGET, "--logits", logits).startswith(message)


def test_no_threads(refuse: Refusal, model: Path) -> None:
    assert "0 threads are not a positive number" in refuse(model, *BUDGET, "--threads", "0")


def test_a_model_with_nothing_to_prune(refuse: Refusal, tmp_path: Path, tiny_llama_dir: Path) -> None:
    config = LlamaConfig.from_pretrained(tiny_llama_dir, num_hidden_layers=0)
    LlamaForCausalLM(config).save_pretrained(tmp_path / "bare")
    PreTrainedTokenizerFast.from_pretrained(tiny_llama_dir).save_pretrained(tmp_path / "bare")
    assert refuse(tmp_path / "bare", "--budget-params", "10k", code=3).startswith("the model has nothing to prune")


def test_a_budget_below_the_floor(refuse: Refusal, model: Path, text: Path) -> None:
    message = refuse(model, "--budget-params", "10k", "--calibration", str(text), code=3)
    assert "0.01M parameters is below the floor of 0.01926M parameters" in message


def test_an_unknown_criterion(refuse: Refusal, model: Path) -> None:
    message = refuse(model, *BUDGET, "--importance", "magnitud")
    assert message.startswith("there is no importance criterion 'magnitud'. Did you mean magnitude?")


@pytest.mark.parametrize(
    ("words", "by"),
    [
        (("--recover", "merge"), "importance by reconstruction"),
        (("--recover", "merge", "--importance", "taylor"), "importance by taylor"),
        (("--passes", "structure, importance{flap}, recover{merge}, emit, verify"), "importance by flap"),
        (("--passes", "structure, knapsack, recover{merge}, emit, verify"), "the default importance"),
    ],
)
def test_merging_without_pairs_is_said_before_the_model_is_loaded(
    words: tuple[str, ...], by: str, refuse: Refusal, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prunec.drivers.job.load", lambda *words: pytest.fail("the model was loaded"))
    message = refuse(model, *BUDGET, *words)
    assert message.startswith(f"recovery by merge needs units in pairs, and {by} makes none")
    assert message.endswith("ive --importance mutual-information, or --recover lsq")


def test_merging_where_nothing_is_scored_is_said(refuse: Refusal, model: Path) -> None:
    message = refuse(model, *BUDGET, "--search", "greedy-loss", "--recover", "merge")
    assert message.startswith(
        "recovery by merge needs units in pairs, and nothing scores units here. Search by knapsack"
    )


def test_an_unknown_search(refuse: Refusal, model: Path) -> None:
    message = refuse(model, *BUDGET, "--search", "greedy-los")
    assert message.startswith("no search is called `greedy-los`. Did you mean greedy-loss?")


@pytest.mark.parametrize("name", ["settle", "baseline", "evolve"])
def test_a_pass_that_is_no_search(name: str, refuse: Refusal, model: Path) -> None:
    message = refuse(model, *BUDGET, "--search", name)
    assert f"no search is called `{name}`" in message


@pytest.mark.parametrize(("flag", "value"), [("--importance", "taylor"), ("--ema", "0.9"), ("--effort", "1")])
def test_scores_that_a_search_does_not_use(flag: str, value: str, refuse: Refusal, model: Path) -> None:
    message = refuse(model, *BUDGET, "--search", "sublayer", flag, value)
    noun = "measured damage" if flag == "--effort" else "scores"
    assert message.startswith(f"{flag} goes by {noun}, and --search sublayer uses none")


def test_a_search_beside_passes(refuse: Refusal, model: Path) -> None:
    message = refuse(model, *BUDGET, "--search", "sublayer", "--passes", "structure, sublayer, emit, verify")
    assert message.startswith("--search and --passes are both given. Write sublayer into the passes")


@pytest.mark.parametrize(("how", "steps"), [("lsq", "recover{lsq}"), ("distill", "recover{lsq}, distill")])
def test_a_repair_beside_passes(how: str, steps: str, refuse: Refusal, model: Path) -> None:
    message = refuse(model, *BUDGET, "--recover", how, "--passes", "structure, emit, verify")
    assert message == f"--recover and --passes are both given. Write {steps} into the passes"


def test_calibration_that_the_output_would_replace(refuse: Refusal, model: Path, out: Path) -> None:
    listed = out / "slim.weakness.jsonl"
    listed.write_text('{"text": "one row that an earlier compile wrote"}')
    expected = f"{listed} is read, and goes when {out / 'slim.onnx'} is written"
    for calibration in (listed, out):
        message = refuse(model, *BUDGET, "--calibration", str(calibration), "--force")
        assert message.startswith(expected)


def test_calibration_in_the_folder_that_would_be_replaced(
    refuse: Refusal, model: Path, out: Path, tmp_path: Path
) -> None:
    for name in ("report.json", "weakness.jsonl"):
        (out / name).write_text('{"text": "one row that an earlier compile wrote"}')
    (tmp_path / "link.jsonl").symlink_to(out / "weakness.jsonl")
    message = refuse(model, *BUDGET, "--calibration", str(tmp_path / "link.jsonl"), "--force", output="")
    assert message.startswith(f"{tmp_path / 'link.jsonl'} is read, and goes when {out}/ is written")


def test_calibration_that_one_of_several_outputs_would_replace(refuse: Refusal, model: Path, out: Path) -> None:
    listed = out / "slim-60k.weakness.jsonl"
    listed.write_text('{"text": "one row that an earlier compile wrote"}')
    message = refuse(model, "--budget-params", "80k,60k", "--calibration", str(listed), "--force")
    assert message.startswith(f"{listed} is read, and goes when ")


def test_a_path_file_in_the_checkpoint_that_would_be_replaced(refuse: Refusal, model: Path, out: Path) -> None:
    for name in ("report.json", "model.safetensors"):
        (out / name).write_bytes(b"mine")
    words = ("--path", str(out / "model.safetensors"), "--emit", "hf", "--force")
    assert refuse(model, *BUDGET, *words, output="").startswith(f"{out / 'model.safetensors'} is read, and goes when")


def test_weaknesses_without_labels(refuse: Refusal, tiny_bert_dir: Path, text: Path) -> None:
    message = refuse(tiny_bert_dir, *BUDGET, "--recover", "weakness", "--calibration", str(text))
    assert message.startswith("recovery by weakness needs to know what is right, and nothing says so of logits")


def test_a_time_to_distil_in_without_distillation(refuse: Refusal, model: Path) -> None:
    message = refuse(model, *BUDGET, "--recover", "lsq", "--distill-minutes", "3")
    assert message.lower() == "--distill-minutes is given, and recovery by lsq has none. add --recover distill"


def test_a_time_to_distil_in_belongs_into_given_passes(refuse: Refusal, model: Path) -> None:
    words = ("--recover", "distill", "--distill-minutes", "3", "--passes", "structure, emit, verify")
    message = refuse(model, *BUDGET, *words)
    assert message.lower() == "--distill-minutes and --passes are both given. write distill{...} into the passes"


def test_an_unknown_pass(refuse: Refusal, model: Path) -> None:
    message = refuse(model, *BUDGET, "--passes", "structure, knapsac, emit, verify")
    assert "`knapsac`" in message
    assert "knapsack" in message


def test_an_unknown_option_of_a_pass(refuse: Refusal, model: Path) -> None:
    assert "tokns" in refuse(model, *BUDGET, "--passes", "structure, damage{tokns=3}, emit, verify")


def test_passes_that_prove_nothing(refuse: Refusal, model: Path) -> None:
    assert "no budget would be proven" in refuse(model, *BUDGET, "--passes", "structure, emit")


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*args: object, **options: object) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("work", [DamagePass, EmitPass])
def test_ctrl_c_in_the_middle(
    work: type[Any], refuse: Refusal, model: Path, text: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (out / "slim.onnx").write_text("precious")
    (out / "slim.report.json").write_text("precious too")
    monkeypatch.setattr(work, "run", raising(KeyboardInterrupt()))
    words = ("--passes", ROUND, "--calibration", str(text), "--force")
    assert refuse(model, *BUDGET, *words, code=130) == "interrupted; nothing unfinished was written"


@pytest.mark.parametrize("moved", [0, 1])
def test_ctrl_c_while_the_files_move_into_place(
    moved: int, refuse: Refusal, model: Path, text: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (out / "slim.onnx").write_text("precious")
    (out / "slim.report.json").write_text("precious too")
    interrupt_publishing(monkeypatch, KeyboardInterrupt(), moved)
    words = ("--passes", ROUND, "--calibration", str(text), "--force")
    assert refuse(model, *BUDGET, *words, code=130) == "interrupted; nothing unfinished was written"


def interrupt_publishing(monkeypatch: pytest.MonkeyPatch, error: BaseException, moved: int) -> None:
    """Let the compiler's publishing fail after `moved` files."""
    real, done = files._move_together, iter(range(moved))

    def move(staged: Path, target: Path, stale: Iterable[Path] = ()) -> None:
        def replace(path: Path, place: Path) -> Path:
            if staged.parent.name.startswith(".prunec-") and path.parent == staged and next(done, None) is None:
                raise error
            return renamed(path, place)

        with pytest.MonkeyPatch.context() as patch:
            renamed = Path.replace
            patch.setattr(Path, "replace", replace)
            real(staged, target, stale)

    monkeypatch.setattr(files, "_move_together", move)


@pytest.mark.parametrize("moved", [0, 1])
def test_a_full_disk_while_the_files_move_into_place(
    moved: int, refuse: Refusal, model: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_publishing(monkeypatch, OSError(errno.ENOSPC, "No space left on device"), moved)
    message = refuse(model, *BUDGET, "--passes", ROUND, "--calibration", str(text))
    assert message.startswith("the disk is full while writing")
    assert "slim.onnx" in message


def test_a_full_disk_during_emission(refuse: Refusal, model: Path, text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnx_ir.save", raising(OSError(errno.ENOSPC, "No space left on device")))
    message = refuse(model, *BUDGET, "--passes", ROUND, "--calibration", str(text))
    assert message.startswith("the disk is full while writing")


def test_a_disk_too_small_for_the_artifact(
    refuse: Refusal, model: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(model)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    message = refuse(model, *BUDGET, "--passes", ROUND, "--calibration", str(text))
    assert "bytes are needed" in message


def test_a_model_that_overflows(refuse: Refusal, model: Path, text: Path) -> None:
    loaded = LlamaForCausalLM.from_pretrained(model)
    with torch.no_grad():
        loaded.get_parameter("model.layers.0.mlp.down_proj.weight")[0, 0] = float("nan")
    loaded.save_pretrained(model)
    message = refuse(model, *BUDGET, "--passes", ROUND, "--calibration", str(text), code=6)
    assert "are not finite on the calibration text" in message
