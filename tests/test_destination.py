"""What `--output` asks for, and which folders may be written."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import transformers
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

from prunec.destination import TOKENIZER, Destination
from prunec.errors import InputError


def made(folder: Path, *names: str) -> Path:
    """`folder`, with empty files in it."""
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    return folder


def test_a_name_is_a_file_with_its_report_beside_it(tmp_path: Path) -> None:
    place = Destination.read(tmp_path / "slim.onnx")
    assert (place.artifact, place.report, place.folder) == (tmp_path / "slim.onnx", tmp_path / "slim.report.json", None)
    assert place.page == tmp_path / "slim.report.html"
    assert str(place) == str(tmp_path / "slim.onnx")


def test_a_slash_or_a_folder_asks_for_a_folder(tmp_path: Path) -> None:
    for output in (f"{tmp_path / 'new'}/", made(tmp_path / "old")):
        place = Destination.read(output, ".pt")
        assert place.folder == Path(output)
        assert (place.artifact, place.report) == (Path(output) / "model.pt", Path(output) / "report.json")
        assert place.beside == tmp_path
        assert Destination.read(str(place)).folder == place.folder


def test_a_new_and_an_empty_folder_can_be_written(tmp_path: Path) -> None:
    Destination.read(f"{tmp_path / 'new'}/").check(force=False)
    Destination.read(made(tmp_path / "empty")).check(force=False)


def test_what_prunec_wrote_is_replaced_by_force_alone(tmp_path: Path) -> None:
    held = ("model.onnx", "model.onnx.data", "report.json", "report.html", "config.json", "genai_config.json")
    place = Destination.read(made(tmp_path / "slim", *held))
    place.check(force=True)
    with pytest.raises(InputError, match="slim exists already"):
        place.check(force=False)


@pytest.mark.parametrize(
    ("held", "named"),
    [
        (("config.json", "tokenizer.json"), "config.json"),  # a model's folder: no report
        (("report.json", "config.json", "model.safetensors"), "model.safetensors"),
        (("report.json", "my notes"), "my notes"),
    ],
)
def test_what_prunec_did_not_write_is_never_replaced(held: tuple[str, ...], named: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"holds {named}, which prunec did not write there"):
        Destination.read(made(tmp_path / "folder", *held)).check(force=True)


def test_every_file_of_a_tokenizer_goes_along() -> None:
    files: set[str] = set()
    for name in filter(None, TOKENIZER_MAPPING_NAMES.values()):
        with suppress(AttributeError, ImportError):  # one for two tokenizers has no files; others lack a library here
            files |= set(getattr(transformers, name).vocab_files_names.values())
    assert len(files) > 10
    assert files <= set(TOKENIZER)


def test_a_page_that_is_there_already_is_replaced_by_force_alone(tmp_path: Path) -> None:
    (tmp_path / "slim.report.html").touch()
    place = Destination.read(tmp_path / "slim.onnx")
    place.check(force=True)
    with pytest.raises(InputError, match=r"slim\.report\.html exists already"):
        place.check(force=False)


def test_a_slash_after_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "slim.onnx").touch()
    with pytest.raises(InputError, match="is a file, not a folder"):
        Destination.read(f"{tmp_path / 'slim.onnx'}/").check(force=True)


def test_a_folder_in_no_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Destination.read(f"{tmp_path / 'none' / 'slim'}/").check(force=False)


def test_no_name_is_said() -> None:
    with pytest.raises(InputError, match="the output has no name"):
        Destination.read("")


def test_a_checkpoint_is_always_a_folder(tmp_path: Path) -> None:
    for output in (tmp_path / "new", f"{tmp_path / 'v1.5'}/"):
        place = Destination.read(output, emit="hf")
        assert place.folder == Path(output)
        assert place.artifact == Path(output) / "model.safetensors"
    held = ("report.json", "model.safetensors", "prunec.json", "config.json")
    Destination.read(made(tmp_path / "slim", *held), emit="hf").check(force=True)
