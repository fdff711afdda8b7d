"""Fine-tune a sentence encoder into a classifier on one labelled set, and say how well it does on the test rows.

    python tools/finetune.py .cache/models/minilm-l6 .cache/models/labels/bbc_topics .cache/models/minilm-bbc

The second argument stands for two files, `..._train.jsonl` and `..._test.jsonl`, as `tools/fetch_models.py` writes
them. The result is a Hugging Face folder whose config names the labels. `--rows` and `--epochs` set how long it takes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup

Labelled = tuple[list[str], Tensor]


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a file: `text` and `label`."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def labelled(rows: Sequence[dict[str, str]], names: Sequence[str]) -> Labelled:
    """The rows' texts and the indices of their labels, `[rows]`."""
    return [row["text"] for row in rows], torch.tensor([names.index(row["label"]) for row in rows])


def train(model: nn.Module, tokenizer: Any, data: Labelled, options: argparse.Namespace) -> None:
    """Cross-entropy by AdamW, rows drawn anew each epoch, the step falling to nothing in a straight line."""
    texts, labels = data
    steps = options.epochs * -(-len(texts) // options.batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.step, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    model.train()
    for epoch in range(options.epochs):
        total = 0.0
        for rows in torch.randperm(len(texts)).split(options.batch):
            logits = classify(model, tokenizer, [texts[row] for row in rows], options.longest)
            loss = nn.functional.cross_entropy(logits, labels[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total += float(loss.detach()) * len(rows)
        print(f"epoch {epoch + 1} of {options.epochs}: mean loss {total / len(texts):.3f}", flush=True)


def accuracy(model: nn.Module, tokenizer: Any, data: Labelled, options: argparse.Namespace) -> float:
    """The share of rows whose likeliest label is the right one."""
    texts, labels = data
    model.eval()
    with torch.no_grad():
        parts = torch.arange(len(texts)).split(options.batch)
        logits = [classify(model, tokenizer, [texts[row] for row in rows], options.longest) for rows in parts]
    return float((torch.cat(logits).argmax(-1) == labels).double().mean())


def classify(model: nn.Module, tokenizer: Any, texts: list[str], longest: int) -> Tensor:
    """Logits `[texts, labels]`."""
    logits: Tensor = model(
        **tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
    ).logits
    return logits


def main() -> None:
    """Read, train, save and test."""
    parser = argparse.ArgumentParser(description="Fine-tune a classifier on a labelled set.")
    parser.add_argument("model", type=Path, help="Hugging Face directory to start from")
    parser.add_argument("data", type=Path, help="path of the set without _train.jsonl and _test.jsonl")
    parser.add_argument("output", type=Path, help="folder for the classifier")
    parser.add_argument("--rows", type=int, default=1500, help="training rows at most")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--step", type=float, default=1e-4, help="greatest step of AdamW")
    parser.add_argument("--longest", type=int, default=128, help="tokens of a text at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    began = time.monotonic()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    rows, tests = (read_rows(Path(f"{options.data}_{part}.jsonl")) for part in ("train", "test"))
    names = sorted({row["label"] for row in rows})
    by_index = dict(enumerate(names))
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForSequenceClassification.from_pretrained(
        options.model, num_labels=len(names), id2label=by_index, label2id={name: i for i, name in by_index.items()}
    )
    train(model, tokenizer, labelled(rows[: options.rows], names), options)
    model.save_pretrained(options.output)
    tokenizer.save_pretrained(options.output)
    share = accuracy(model, tokenizer, labelled(tests, names), options)
    print(f"{options.output}: accuracy {share:.4f} on {len(tests)} rows, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
