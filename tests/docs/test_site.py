"""The site is built without a warning, and is whole without a network."""

from __future__ import annotations

import dataclasses
import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import prunec
from prunec.backends import BACKENDS
from prunec.options import Options
from prunec.passes import PASSES
from prunec.passes.analysis.importance import criteria
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    words = ["-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "--doctree-dir", str(folder / "trees")]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *words, str(ROOT / "docs"), str(folder / "html")],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_the_reference_has_every_public_name_option_pass_and_backend(site: Path) -> None:
    page = (site / "api.html").read_text(encoding="utf-8")
    places = [place.replace(":", ".") for place in (*PASSES.values(), *BACKENDS.values())]
    options = [f"prunec.options.Options.{item.name}" for item in dataclasses.fields(Options)]
    held = ("report.data.Report", "ir.program.Program", "facts.Plan", "passbase.Facts", "passbase.Progress")
    names = (*prunec.PLACES, *held)
    for name in (*(f"prunec.{name}" for name in names), *places, *options):
        assert f'id="{name}"' in page, name


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(?:https?:)?//|@import|url\(["\']?https?:')
    for path in [*site.rglob("*.html"), *site.rglob("*.css")]:
        assert not loaded.search(path.read_text(encoding="utf-8")), path


def test_formulas_are_drawn(site: Path) -> None:
    page = (site / "guide" / "criteria.html").read_text(encoding="utf-8")
    assert page.count('display="block"') >= 20
    assert "\\sum" not in html.unescape(page)
    assert "<merror" not in page


def test_every_criterion_is_explained() -> None:
    text = (ROOT / "docs" / "guide" / "criteria.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^`([a-z0-9-]+)`$", text, re.MULTILINE))
    assert explained == criteria().keys()
