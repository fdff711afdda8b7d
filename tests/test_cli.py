"""The command line: what it asks the compiler for, what it prints, and how every failure ends in one line."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import types
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from prunec import __version__, cli
from prunec.errors import BudgetError, InputError, PassError, PrunecError
from prunec.report.data import BudgetOutcome, Report
from tests.report.samples import report


@dataclass(frozen=True)
class Result:
    """What the command reads of a `CompileResult`."""

    artifact: Path | None
    report: Report


class Compiler:
    """Stands in for `prunec.drivers.compiler.compile`: notes what it is asked for, then returns or raises."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.answer: Report | BaseException = report()
        self.writes = True

    def __call__(self, model: Path, output: str, **options: Any) -> Result:
        self.asked = {"model": model, "output": output, **options}
        print("chatter of a library")
        options["progress"].end("structure", 3.0, "90 families")
        if isinstance(self.answer, BaseException):
            raise self.answer
        return Result(Path(output) if self.writes else None, self.answer)


@pytest.fixture
def compiler(settled: None, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    """A compiler that can be asked."""
    fake = Compiler()
    module = types.ModuleType("prunec.drivers.compiler")
    module.compile = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "prunec.drivers.compiler", module)
    return fake


def run(folder: Path, *more: str) -> int:
    """`prunec model -o FOLDER/slim.onnx`, with a budget unless `more` begins with an option of one."""
    return cli.main(["model", "-o", str(folder / "slim.onnx"), *more])


def failure(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error; nothing is on standard output."""
    out, err = capsys.readouterr()
    assert not out
    (line,) = [line for line in err.splitlines() if line.startswith("prunec: error: ")]
    assert err.endswith(f"{line}\n")
    return line.removeprefix("prunec: error: ")


def test_the_compiler_gets_every_option(compiler: Compiler, tmp_path: Path) -> None:
    words = "--budget-latency 20ms --task t --calibration c --importance i --recover bias --ema 0.5 --search s"
    training = "--distill-minutes 3 --effort 2 --path a --save-path b"
    more = "--workload prefill:1x8 --threads 2 --logits last --kv-cache --passes p --dump-ir d --seed 3"
    last = "--force --trust-remote-code --cache-dir k --quiet --verbose --dtype int8 --device cuda --no-rival"
    last += " --uniform --emit artifact --opset 20"
    assert run(tmp_path, *words.split(), *more.split(), *training.split(), *last.split()) == 0
    del compiler.asked["progress"]
    assert compiler.asked == {
        "model": Path("model"),
        "output": str(tmp_path / "slim.onnx"),
        "budget_latency": "20ms",
        "speedup": None,
        "budget_params": None,
        "budget_size": None,
        "task": "t",
        "calibration": Path("c"),
        "importance": "i",
        "ema": 0.5,
        "effort": 2,
        "recover": "bias",
        "logits": "last",
        "emit": "artifact",
        "uniform": True,
        "search": "s",
        "distill_minutes": 3.0,
        "path": Path("a"),
        "save_path": Path("b"),
        "workload": "prefill:1x8",
        "kv_cache": True,
        "threads": 2,
        "dtype": "int8",
        "device": "cuda",
        "opset": 20,
        "no_rival": True,
        "passes": "p",
        "dump_ir": Path("d"),
        "seed": 3,
        "force": True,
        "trust_remote_code": True,
        "cache": Path("k"),
    }


def test_a_checkpoint_is_no_file(compiler: Compiler, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--speedup", "2", "--emit", "hf") == 2
    assert "--emit hf writes a folder, and slim.onnx is called as a file" in capsys.readouterr().err
    assert not compiler.asked


@dataclass(frozen=True)
class Family:
    """What the command reads of a `CompileFamily`."""

    results: tuple[Result, ...]
    failures: dict[str, PrunecError]


@pytest.fixture
def family(compiler: Compiler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Family:
    """A family that a compile gives: one budget holds, one fails."""
    made = Family((Result(tmp_path / "slim-1.5x.onnx", report()),), {"20x": BudgetError("below the floor")})
    monkeypatch.setattr(Compiler, "__call__", lambda self, *words, **options: self.asked.update(options) or made)
    return made


@pytest.mark.usefixtures("family")
def test_several_budgets_are_asked_for_as_a_list_and_one_that_fails_sets_the_exit_code(
    compiler: Compiler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--speedup", "1.5,20") == 3
    assert compiler.asked["speedup"] == ["1.5", "20"]
    shown = capsys.readouterr().out
    assert "20x: below the floor" in shown
    assert "held" in shown


@pytest.mark.usefixtures("family")
def test_quiet_has_a_line_for_each_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--speedup", "1.5,20", "--quiet") == 3
    held, failed = capsys.readouterr().out.splitlines()
    assert held.startswith(f"{tmp_path / 'slim-1.5x.onnx'}: Budget held")
    assert failed == "nothing written: 20x: below the floor"


def test_reports_of_several_budgets_are_a_json_list(
    family: Family, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    family.failures.clear()
    assert run(tmp_path, "--speedup", "1.5,20", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["budget"]["held"] is True


def test_the_outputs_of_all_budgets_are_checked(
    compiler: Compiler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "slim-2x.onnx").touch()
    assert run(tmp_path, "--speedup", "1.5,2") == 2
    assert "slim-2x.onnx exists already" in failure(capsys)
    assert not compiler.asked


def test_several_texts_are_named(compiler: Compiler, tmp_path: Path) -> None:
    assert run(tmp_path, *["--speedup", "2", "--calibration", "code=a.txt", "--calibration", "prose=b.txt"]) == 0
    assert compiler.asked["calibration"] == {"code": Path("a.txt"), "prose": Path("b.txt")}


def test_the_default_command_has_a_name_too(compiler: Compiler, tmp_path: Path) -> None:
    assert cli.main(["compile", "model", "-o", str(tmp_path / "slim.onnx"), "--speedup", "2"]) == 0
    assert compiler.asked["speedup"] == "2"


@pytest.mark.usefixtures("compiler")
def test_the_outcome_goes_to_standard_output_and_off_a_terminal_that_is_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--budget-latency", "20ms") == 0
    out, err = capsys.readouterr()
    assert out.startswith("Budget held: 20.0 ms asked")
    assert out.endswith(f"{tmp_path / 'slim.report.html'}\n")
    assert "chatter" not in out
    assert not err


@pytest.mark.usefixtures("compiler")
def test_progress_goes_to_standard_error_where_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--budget-latency", "20ms", "--verbose") == 0
    out, err = capsys.readouterr()
    assert "structure" in err
    assert "structure" not in out


@pytest.mark.usefixtures("compiler")
def test_quiet_prints_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--budget-latency", "20ms", "--quiet") == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{tmp_path / 'slim.onnx'}: Budget held")
    assert out.count("\n") == 1
    assert not err


def test_quiet_says_when_nothing_was_written(
    compiler: Compiler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiler.answer = replace(report(), budget=BudgetOutcome("latency_ms", 20.0, "ms", 20.0, 21.0))
    compiler.writes = False
    assert run(tmp_path, "--budget-latency", "20ms", "--quiet") == 3
    assert capsys.readouterr().out.startswith("nothing written: Budget MISSED")


@pytest.mark.usefixtures("compiler")
def test_json_prints_the_report_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--budget-latency", "20ms", "--json", "--verbose") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["budget"]["held"] is True
    assert Report.from_json(out) == report()
    assert "chatter" in err


def test_a_missed_budget_is_printed_and_exits_with_3(
    compiler: Compiler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiler.answer = replace(report(), budget=BudgetOutcome("latency_ms", 20.0, "ms", 20.0, 21.0))
    assert run(tmp_path, "--budget-latency", "20ms") == 3
    assert capsys.readouterr().out.startswith("Budget MISSED")


def test_an_expected_failure_is_one_line_with_its_exit_code(
    compiler: Compiler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiler.answer = InputError("the model\nhas no [config]", "give a folder with one")
    assert run(tmp_path, "--speedup", "2") == 2
    assert failure(capsys) == "the model has no [config]. Give a folder with one"


def test_an_unexpected_failure_is_one_line_that_points_to_debug(
    compiler: Compiler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiler.answer = RuntimeError("oh no")
    assert run(tmp_path, "--speedup", "2") == 70
    assert failure(capsys) == "RuntimeError: oh no. Run again with --debug for the traceback"


def test_a_pass_that_broke_points_to_debug(
    compiler: Compiler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiler.answer = PassError("pass `x` failed: KeyError: 1")
    compiler.answer.__cause__ = KeyError(1)
    assert run(tmp_path, "--speedup", "2") == 6
    assert failure(capsys).endswith("--debug for the traceback")


def test_debug_shows_the_traceback(compiler: Compiler, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiler.answer = InputError("no", "yes")
    assert run(tmp_path, "--speedup", "2", "--debug") == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_ctrl_c_says_that_nothing_unfinished_was_written(
    compiler: Compiler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiler.answer = KeyboardInterrupt()
    assert run(tmp_path, "--speedup", "2") == 130
    assert failure(capsys) == "interrupted; nothing unfinished was written"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("model --speedup 2", "Missing option '--output' / '-o'. See prunec --help"),
        ("-o x.onnx --speedup 2", "Missing argument 'MODEL'. See prunec --help"),
        ("model -o x.onnx --budgetlatency 20ms", "No such option: --budgetlatency"),
        ("model -o x.onnx", "no budget is given. Give one of --budget-latency 20ms"),
        ("model -o x.onnx --speedup 2 --budget-params 80M", "2 budgets are given: --speedup, --budget-params"),
        ("model -o x.onnx --budget-latency 20mb", "'20mb' is not a latency. Write it with its unit"),
        ("model -o x.onnx --budget-latency -5ms", "latency '-5ms' is not a positive"),
        ("model -o /no/such/folder/x.onnx --speedup 2", "the output folder /no/such/folder does not exist"),
        ("model -o x.onnx --speedup 2 --seed many", "Invalid value for '--seed'"),
    ],
)
def test_bad_input_is_one_line_before_any_work(
    compiler: Compiler, words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words.split()) == 2
    assert failure(capsys).startswith(message)
    assert not compiler.asked


@pytest.mark.usefixtures("compiler")
def test_an_existing_output_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "slim.onnx").touch()
    assert run(tmp_path, "--speedup", "2") == 2
    assert "exists already" in failure(capsys)


@pytest.mark.usefixtures("compiler")
def test_libraries_are_hushed_and_kept_off_the_network(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    run(tmp_path, "--speedup", "2", "--quiet")
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert os.environ["TRANSFORMERS_VERBOSITY"] == "error"
    warnings.warn("a library warns", UserWarning, stacklevel=1)
    assert not recwarn.list
    assert not logging.getLogger("a library").isEnabledFor(logging.WARNING)


@pytest.mark.usefixtures("compiler")
def test_verbose_lets_libraries_speak(tmp_path: Path) -> None:
    run(tmp_path, "--speedup", "2", "--verbose")
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert logging.getLogger("a library").isEnabledFor(logging.WARNING)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"prunec {__version__}\n"


def test_list_passes_names_every_pass_once(capsys: pytest.CaptureFixture[str]) -> None:
    from prunec.catalogue import pass_names

    assert cli.main(["--list-passes"]) == 0
    names = [line.split()[0].partition("{")[0] for line in capsys.readouterr().out.splitlines()]
    assert tuple(names) == pass_names()


@pytest.mark.parametrize("words", [["--help"], []])
def test_help_teaches_by_example(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 0
    shown = capsys.readouterr().out
    for text in ("-o slim.onnx --budget-latency 20ms", "20ms, 0.5s", "80M, 1.2B", "200MB, 1GiB", "prefill:1x128"):
        assert text in shown
    assert not any(len(line.rstrip()) > 100 for line in shown.splitlines())


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; from prunec.cli import main; main(['--help']); sys.exit(len({'torch', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == 0


def test_a_reader_that_leaves_early_sees_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "prunec", "--help"], check=False, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert done.stderr == b""
    assert done.returncode != 0
