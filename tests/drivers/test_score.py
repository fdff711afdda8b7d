"""`prunec score` writes scores that a compile reads again; `prunec agree` compares them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import prunec
from prunec import cli
from prunec.calibration.scorefile import load_scores, save_scores
from prunec.errors import InputError

pytestmark = pytest.mark.usefixtures("settled")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(f"the quick brown fox {n} jumps over {n * n} lazy dogs" * 30 for n in range(40)))
    return path


def test_scores_are_written_and_read_again(tiny_llama_dir: Path, text: Path, tmp_path: Path) -> None:
    path = tmp_path / "wanda.safetensors"
    found = prunec.score(tiny_llama_dir, path, importance="wanda", calibration=text)
    assert {name: values.tolist() for name, values in load_scores(path).units.items()} == {
        name: values.tolist() for name, values in found.units.items()
    }
    again = prunec.score(tiny_llama_dir, importance=str(path))
    assert again.data_hash == found.data_hash
    assert all((again.units[name] == values).all() for name, values in found.units.items())
    mixture = prunec.score(tiny_llama_dir, importance=f"{path}+magnitude")
    assert any((mixture.units[name].argsort() != values.argsort()).any() for name, values in found.units.items())


def test_a_file_may_score_more_than_there_is(tiny_llama_dir: Path, tmp_path: Path) -> None:
    path, more = tmp_path / "s.safetensors", tmp_path / "more.safetensors"
    found = prunec.score(tiny_llama_dir, path, importance="magnitude")
    save_scores(replace(found, units={"elsewhere": np.zeros(3), **found.units}), more)
    for importance in (str(more), f"{more}+random"):
        assert prunec.score(tiny_llama_dir, importance=importance).units.keys() == found.units.keys()


def test_a_compile_removes_what_saved_scores_say(tiny_llama_dir: Path, text: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    found = prunec.score(tiny_llama_dir, path, importance="magnitude")
    result = prunec.compile(tiny_llama_dir, budget_params="80k", importance=str(path), calibration=text)
    for name, removed in result.plan.units.items():
        lowest = np.argsort(found.units[name], kind="stable")[: len(removed)]
        assert sorted(lowest.tolist()) == list(removed)
    assert result.plan.units


def test_scores_of_another_model_are_refused(tiny_llama_dir: Path, tiny_bert_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    prunec.score(tiny_bert_dir, path, importance="magnitude")
    with pytest.raises(InputError, match="holds no scores for the"):
        prunec.score(tiny_llama_dir, importance=str(path))


def test_what_is_there_is_kept(tiny_llama_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    path.write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        prunec.score(tiny_llama_dir, path, importance="magnitude")
    assert path.read_text() == "mine"
    prunec.score(tiny_llama_dir, path, importance="magnitude", force=True)
    assert load_scores(path).criterion == "magnitude"


def test_other_suffixes_are_refused(tiny_llama_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"written as \.safetensors"):
        prunec.score(tiny_llama_dir, tmp_path / "s.npz")


def test_the_commands_write_and_compare(
    tiny_llama_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / f"{name}.safetensors" for name in ("magnitude", "random")]
    for path in paths:
        assert cli.main(["score", str(tiny_llama_dir), "-o", str(path), "--importance", path.stem, "--quiet"]) == 0
    first, second = capsys.readouterr().out.replace("\n", "").split("safetensors: ")[1:]
    assert first.startswith("294 units in 6 families by magnitude")
    assert second == "294 units in 6 families by random"
    assert cli.main(["agree", *map(str, paths)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["magnitude", "random", "6"]


def test_sublayers_are_listed_and_compared(
    tiny_llama_dir: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / f"{name}.safetensors" for name in ("tunability", "block-influence")]
    for path in paths:
        asked = ["score", str(tiny_llama_dir), "-o", str(path), "--importance", path.stem, "--calibration", str(text)]
        assert cli.main(asked) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["sublayer", "score", "rank", "undone"] in [line.split() for line in lines]
    assert any(line.endswith("6 sublayers by tunability") for line in lines)
    assert cli.main(["agree", *map(str, paths)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["tunability", "block-influence", "sublayers"]


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["agree", str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_scores_an_expert_on_named_texts(tiny_llama_dir: Path, text: Path, tmp_path: Path) -> None:
    other, path = tmp_path / "other.txt", tmp_path / "expert.safetensors"
    other.write_text("\n\n".join(f"row {n} counts up to {n * n * n}, and then down again" * 30 for n in range(40)))
    words = ["--calibration", f"fox={text}", "--calibration", f"rows={other}", "--importance", "expert", "--quiet"]
    assert cli.main(["score", str(tiny_llama_dir), "-o", str(path), *words]) == 0
    found = load_scores(path)
    again = prunec.score(tiny_llama_dir, importance="expert", calibration={"rows": other, "fox": text})
    assert (found.criterion, found.data_hash) == ("expert", again.data_hash)
    for name, values in found.units.items():
        assert values.tolist() == again.units[name].tolist()
    alone = prunec.score(tiny_llama_dir, importance="expert", calibration=text)
    assert any((alone.units[name].argsort() != values.argsort()).any() for name, values in found.units.items())
