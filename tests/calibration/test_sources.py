"""Text is read whole or sampled, and every unusable source is one clear line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import pytest

from prunec.calibration import sources
from prunec.calibration.labels import LabelledText
from prunec.calibration.sources import read_texts, standard_library_texts
from prunec.errors import InputError


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(*values: object) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def test_a_text_file_is_one_document(tmp_path: Path) -> None:
    assert read_texts(write(tmp_path / "a.txt", "one\n\ntwo é\n")) == ["one\n\ntwo é\n"]


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    assert read_texts(write(tmp_path / "a.txt", "\ufefftext".encode())) == ["text"]


def test_a_jsonl_row_is_a_document(tmp_path: Path) -> None:
    content = rows({"text": "one", "score": 1}) + "\n" + rows({"text": "two", "text_b": "more"})
    assert read_texts(write(tmp_path / "a.jsonl", content)) == ["one", "two"]


def test_a_row_with_a_label_keeps_it_with_its_place(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", rows({"text": "one", "label": 0}, {"text": "two", "text_b": "b", "label": "x"}))
    first, second = read_texts(file)
    assert isinstance(first, LabelledText)
    assert isinstance(second, LabelledText)
    assert (first.label, first.pair, first) == (0, None, "one")
    assert (second.label, second.text, second.pair, second) == ("x", "two", "b", "two\n\nb")
    assert second.place == f"line 2 of {file}"


def test_rows_with_and_without_labels_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", rows({"text": "one"}, {"text": "two", "label": 1}))
    with pytest.raises(InputError, match=r"line 2 of .*a\.jsonl has a label, and other calibration text has none"):
        read_texts(file)


def test_a_row_longer_than_a_stretch_is_a_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_STRETCH", 10)
    content = rows({"text": "aé漢🙂" * 20}, {"text": "b"}, {"text": "c" * 50}).rstrip("\n")
    assert read_texts(write(tmp_path / "a.jsonl", content)) == ["aé漢🙂" * 20, "b", "c" * 50]


def test_lines_are_counted_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_STRETCH", 10)
    file = write(tmp_path / "a.jsonl", rows({"text": "a" * 50}) + "no\n")
    with pytest.raises(InputError, match=r"line 2 of .* is not JSON"):
        read_texts(file)


def test_a_directory_is_read_sorted_without_hidden_and_other_files(tmp_path: Path) -> None:
    write(tmp_path / "b.md", "second")
    write(tmp_path / "a" / "deep.txt", "first")
    write(tmp_path / "c.jsonl", rows({"text": "third"}))
    write(tmp_path / ".hidden.txt", "no")
    write(tmp_path / ".git" / "x.txt", "no")
    write(tmp_path / "image.png", b"\xff\xd8")
    assert read_texts(tmp_path) == ["first", "second", "third"]


def test_a_large_file_comes_in_stretches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_STRETCH", 100)
    content = "".join(f"line {number} é\n" for number in range(100))
    texts = read_texts(write(tmp_path / "a.txt", content))
    assert "".join(texts) == content
    assert len(texts) > 5
    assert all(text.endswith("\n") for text in texts)


def test_a_line_longer_than_a_stretch_keeps_its_characters_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_STRETCH", 10)
    content = "aé漢🙂" * 20
    assert "".join(read_texts(write(tmp_path / "a.txt", content))) == content


def test_beyond_the_cap_documents_are_sampled_by_seed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", rows(*({"text": f"{number:03d}" + "x" * 97} for number in range(300))))
    first, second = read_texts(path, seed=0, cap=2000), read_texts(path, seed=1, cap=2000)
    assert 15 <= len(first) <= 20
    assert first == sorted(first)
    assert first != second
    assert first == read_texts(path, seed=0, cap=2000)


def test_the_sample_reaches_all_over_the_source(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", rows(*({"text": f"{number:03d}" + "x" * 97} for number in range(300))))
    places = [int(text[:3]) for seed in range(20) for text in read_texts(path, seed=seed, cap=2000)]
    assert 130 < sum(places) / len(places) < 170


def test_not_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt does not exist"):
        read_texts(tmp_path / "none.txt")


def test_an_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown suffix"):
        read_texts(write(tmp_path / "a.pdf", "text"))


@pytest.mark.parametrize("content", ["", " \n\n\t"])
def test_an_empty_file(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match="holds no text"):
        read_texts(write(tmp_path / "a.txt", content))


def test_a_directory_without_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.txt, \.md, \.jsonl files"):
        read_texts(tmp_path)


@pytest.mark.parametrize(("content", "offset"), [(b"abc\xff\xfe", 3), (b"ok\nmore\n\xe9t", 8), (b"cut \xe6\xbc", 4)])
def test_bytes_that_are_not_utf8(tmp_path: Path, content: bytes, offset: int) -> None:
    with pytest.raises(InputError, match=rf"a\.txt is not UTF-8 text \(byte {offset}\)"):
        read_texts(write(tmp_path / "a.txt", content))


def test_a_row_that_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 2 of .*a\.jsonl is not JSON"):
        read_texts(write(tmp_path / "a.jsonl", rows({"text": "a"}) + "{text: b}\n"))


@pytest.mark.parametrize("row", [{"label": 1}, {"text": None}, ["text"], "text"])
def test_a_row_without_text(tmp_path: Path, row: object) -> None:
    with pytest.raises(InputError, match=r'line 1 of .* has no "text"'):
        read_texts(write(tmp_path / "a.jsonl", rows(row)))


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.txt", "text")

    def refuse(*_: object) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"a\.txt cannot be read: Permission denied"):
        read_texts(path)


def test_standard_library_texts_are_prose_and_repeatable() -> None:
    texts = standard_library_texts(0, characters=20_000)
    assert texts == standard_library_texts(0, characters=20_000)
    assert sum(map(len, texts)) >= 20_000
    assert not any(">>>" in text for text in texts)


def test_another_seed_draws_other_modules() -> None:
    assert standard_library_texts(0, characters=5_000) != standard_library_texts(1, characters=5_000)


def test_a_python_without_its_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    with pytest.raises(InputError, match="no docstrings"):
        standard_library_texts()
