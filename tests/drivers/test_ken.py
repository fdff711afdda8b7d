"""`prunec ken` writes what stays of a fine-tuning; with the base, it gives the tuned model back bit by bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForSequenceClassification

import prunec
from prunec import cli
from prunec.calibration.kenfile import load_delta
from prunec.calibration.rowrule import RowRule
from prunec.calibration.rowselection import by_density_grid, rarest
from prunec.errors import InputError
from tests.drivers.tunings import HEAD, PREFIX, save_tensors, tensors_of

QUERY = "encoder.layer.0.attention.self.query.weight"
BIAS = "encoder.layer.0.attention.self.query.bias"


def restored(tuned: Path, base: Path, tmp_path: Path, **options: Any) -> dict[str, Tensor]:
    prunec.ken(tuned, base, tmp_path / "a.ken.safetensors", **options)
    return tensors_of(prunec.apply_ken(tmp_path / "a.ken.safetensors", base, tmp_path / "restored"))


def assert_same(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Bit by bit: names, types, shapes and values."""
    assert found.keys() == wanted.keys()
    for name, tensor in found.items():
        assert tensor.dtype == wanted[name].dtype, name
        assert tensor.shape == wanted[name].shape, name
        assert tensor.contiguous().view(torch.uint8).equal(wanted[name].contiguous().view(torch.uint8)), name


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("mode", ["faithful", "delta", "magnitude", "random"])
def test_all_kept_is_the_tuned_model(mode: str, tuned: Path, base: Path, tmp_path: Path) -> None:
    assert_same(restored(tuned, base, tmp_path, mode=mode, keep=1.0), tensors_of(tuned))


@pytest.mark.parametrize("mode", ["faithful", "delta", "magnitude"])
def test_what_stays_is_chosen_row_by_row(mode: str, tuned: Path, base: Path, tmp_path: Path) -> None:
    after, before = tensors_of(tuned), tensors_of(base)
    wanted = dict(after)
    for name, tensor in after.items():
        if tensor.dim() < 2 or name in HEAD:
            continue
        old = before[name.removeprefix(PREFIX)]
        rows, count = tensor.double().numpy(), round(0.25 * tensor.shape[1])
        if mode == "faithful":
            stays = by_density_grid(rows, count)
        elif mode == "delta":
            stays = rarest(rows - old.double().numpy(), count)
        else:
            stays = np.argsort(-np.abs(rows), axis=1, kind="stable")[:, :count]
        wanted[name] = old.clone()
        for row, kept in enumerate(stays.tolist()):
            wanted[name][row, kept] = tensor[row, kept]
    assert_same(restored(tuned, base, tmp_path, mode=mode, keep=0.25), wanted)


def test_as_many_entries_of_a_row_as_are_asked_for_stay(tuned: Path, base: Path, tmp_path: Path) -> None:
    found = restored(tuned, base, tmp_path, rows=3)[PREFIX + QUERY]
    assert ((found != tensors_of(base)[QUERY]).sum(1)[1:] == 3).all()


def test_repeated_and_constant_values_do_not_add_to_what_stays(tuned: Path, base: Path, tmp_path: Path) -> None:
    after = tensors_of(tuned)
    after[PREFIX + QUERY] = torch.round(4 * after[PREFIX + QUERY])
    after[PREFIX + QUERY][5] = 0.3
    again = save_tensors(after, tmp_path / "tuned", tuned)
    found = restored(again, base, tmp_path, rows=3)[PREFIX + QUERY]
    assert ((found != tensors_of(base)[QUERY]).sum(1) == 3).all()


def test_what_tuning_left_as_it_was_takes_no_place(tuned: Path, base: Path, tmp_path: Path) -> None:
    whole = prunec.ken(tuned, base, tmp_path / "a.safetensors", keep=1.0)
    assert whole.stayed == whole.entries
    matrices = [tensor for name, tensor in tensors_of(tuned).items() if tensor.dim() > 1 and name not in HEAD]
    assert whole.stayed - whole.stored == sum(matrix.shape[1] for matrix in matrices)
    assert prunec.ken(base, base, tmp_path / "b.safetensors", keep=1.0).stored == 0


def test_signs_of_zero_are_changes(tuned: Path, base: Path, tmp_path: Path) -> None:
    after, before = tensors_of(tuned), tensors_of(base)
    after[PREFIX + BIAS], before[BIAS] = torch.zeros(64), -torch.zeros(64)
    again, under = save_tensors(after, tmp_path / "t", tuned), save_tensors(before, tmp_path / "b", base)
    assert not restored(again, under, tmp_path)[PREFIX + BIAS].signbit().any()


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_values_keep_their_type(kind: torch.dtype, tuned: Path, base: Path, tmp_path: Path) -> None:
    folders = [
        save_tensors({name: tensor.to(kind) for name, tensor in tensors_of(folder).items()}, tmp_path / name, folder)
        for folder, name in ((tuned, "t"), (base, "b"))
    ]
    assert_same(restored(folders[0], folders[1], tmp_path, keep=1.0), tensors_of(folders[0]))


def test_shards_are_read_as_one(tuned: Path, base: Path, tmp_path: Path) -> None:
    AutoModelForSequenceClassification.from_pretrained(tuned).save_pretrained(tmp_path / "t", max_shard_size="100KB")
    assert len(list((tmp_path / "t").glob("*.safetensors"))) > 1
    assert_same(restored(tmp_path / "t", base, tmp_path, keep=1.0), tensors_of(tuned))


def test_inputs_stay_and_the_tuned_models_files_come_along(tuned: Path, base: Path, tmp_path: Path) -> None:
    (base / "tokenizer.json").write_text("{}")
    (tuned / "merges.txt").touch()
    before = digest(tuned), digest(base)
    restored(tuned, base, tmp_path, keep=1.0)
    assert (digest(tuned), digest(base)) == before
    found = digest(tmp_path / "restored")
    assert found.keys() == before[0].keys()
    assert all(found[name] == before[0][name] for name in found if name != "model.safetensors")
    with safe_open(tmp_path / "a.ken.safetensors", "pt") as file:
        assert file.metadata()["config"] == (tuned / "config.json").read_text()


def test_another_base_is_refused_by_hash(tuned: Path, base: Path, tmp_path: Path) -> None:
    report = prunec.ken(tuned, base, tmp_path / "a.safetensors")
    moved = tensors_of(base)
    moved[QUERY][0, 0] += 1e-3
    other = save_tensors(moved, tmp_path / "other", base)
    hashes = rf"its hash is [0-9a-f]{{12}}, not {report.base_hash[:12]}. name the base that .* \(base\)"
    with pytest.raises(InputError, match=hashes):
        prunec.apply_ken(tmp_path / "a.safetensors", other, tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(2, 3), rf"{QUERY} in .* is \[2, 3\], and bert.{QUERY} is \[64, 64\]"),
        (torch.zeros(64, 64, dtype=torch.float16), rf"{QUERY} in .* is float16, and bert.{QUERY} is float32"),
    ],
)
def test_other_shapes_and_types_are_named(
    tensor: Tensor, message: str, tuned: Path, base: Path, tmp_path: Path
) -> None:
    other = save_tensors(tensors_of(base) | {QUERY: tensor}, tmp_path / "other", base)
    with pytest.raises(InputError, match=message):
        prunec.ken(tuned, other, tmp_path / "a.safetensors")
    assert not (tmp_path / "a.safetensors").exists()


def test_numbers_that_are_not_finite_are_named(tuned: Path, base: Path, tmp_path: Path) -> None:
    after = tensors_of(tuned)
    after[PREFIX + QUERY][0, 0] = float("nan")
    with pytest.raises(InputError, match=f"{PREFIX}{QUERY} holds numbers that are not finite"):
        prunec.ken(save_tensors(after, tmp_path / "t", tuned), base, tmp_path / "a.safetensors")


def test_a_model_without_anything_in_common_is_refused(tuned: Path, base: Path, tmp_path: Path) -> None:
    other = save_tensors({"other.kernel": torch.zeros(2, 2)}, tmp_path / "other", base)
    with pytest.raises(InputError, match="holds no tensor of the tuned model"):
        prunec.ken(tuned, other, tmp_path / "a.safetensors")


def rewritten(path: Path, **changed: str) -> None:
    """Write the file again with other metadata."""
    with safe_open(path, "pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata | changed)


def test_damaged_and_foreign_files_are_one_line(tuned: Path, base: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    prunec.ken(tuned, base, path)
    good = path.read_bytes()
    for content, message in (
        (good[:-100], "cannot be read"),
        (good[:-1] + bytes([good[-1] ^ 1]), "is damaged .*its content has changed"),
        (b"", "cannot be read"),
        ((base / "model.safetensors").read_bytes(), "holds no delta"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            prunec.apply_ken(path, base, tmp_path / "restored")
    for changed, message in (
        ({"format": "prunec ken 2"}, "written by a newer prunec"),
        ({"about": "{}"}, r"is damaged \(KeyError: 'tensors'\)"),
    ):
        path.write_bytes(good)
        rewritten(path, **changed)
        with pytest.raises(InputError, match=message):
            prunec.apply_ken(path, base, tmp_path / "restored")
    with pytest.raises(InputError, match="there is no file"):
        prunec.apply_ken(tmp_path / "none", base, tmp_path / "restored")


def test_files_with_a_share_beside_the_entries_that_stood_in_its_place_are_read(
    tuned: Path, base: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    prunec.ken(tuned, base, path, rows=3)
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
    rewritten(path, about=json.dumps(about | {"keep": 0.5}))
    assert load_delta(path).rule == RowRule(rows=3)


def test_the_base_and_other_folders_are_never_replaced(tuned: Path, base: Path, tmp_path: Path) -> None:
    prunec.ken(tuned, base, tmp_path / "a.safetensors", keep=1.0)
    with pytest.raises(InputError, match="is the base itself"):
        prunec.apply_ken(tmp_path / "a.safetensors", base, base, force=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes.txt, which prunec did not write"):
        prunec.apply_ken(tmp_path / "a.safetensors", base, tmp_path / "mine", force=True)
    prunec.apply_ken(tmp_path / "a.safetensors", base, tmp_path / "restored")
    with pytest.raises(InputError, match="exists already"):
        prunec.apply_ken(tmp_path / "a.safetensors", base, tmp_path / "restored")
    prunec.apply_ken(tmp_path / "a.safetensors", base, tmp_path / "restored", force=True)
    assert_same(tensors_of(tmp_path / "restored"), tensors_of(tuned))


@pytest.mark.usefixtures("settled")
def test_the_command_writes_and_restores(
    tuned: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, ends = tmp_path / "a.ken", ["--base", str(base), "-o"]
    assert cli.main(["ken", str(tuned), *ends, str(path), "--keep", "0.25", "--mode", "delta", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["artifact_bytes"] == path.stat().st_size
    assert (report["mode"], report["keep"], report["rows"], report["whole"]) == ("delta", 0.25, None, list(HEAD))
    assert cli.main(["ken", str(tuned), *ends, str(path), "--keep-rows", "16", "--force"]) == 0
    printed = capsys.readouterr().out
    assert "stay, by faithful" in printed
    assert "kept whole: classifier.bias, classifier.weight" in printed
    assert cli.main(["ken", "--apply", str(path), *ends, str(tmp_path / "restored")]) == 0
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path / "restored").config.id2label[1] == "sport"


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "one thing can be done at a time"),
        (["{tuned}", "--apply", "a.safetensors"], "one thing can be done at a time"),
        (["{tuned}", "--keep", "0.1", "--keep-rows", "3"], "both say how many"),
        (["{tuned}", "--keep", "0"], "keep 0 is not a share"),
        (["{tuned}", "--mode", "other"], "there is no mode other"),
        (["--apply", "a.safetensors", "--keep", "0.1"], "leave out all but"),
    ],
)
def test_options_that_say_nothing_are_one_line(
    words: list[str], message: str, tuned: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word.format(tuned=tuned) for word in words]
    assert cli.main(["ken", *given, "--base", str(base), "-o", str(tmp_path / "out.safetensors")]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1].replace("Leave", "leave")
