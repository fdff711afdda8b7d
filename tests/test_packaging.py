"""What is installed is what is in the tree: the package list, the wheel and the public names agree."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import prunec

ROOT = Path(__file__).parent.parent
LINKS = {"passes", "backends"}


def module_files() -> set[str]:
    """Every Python file that must be installed, by its installed path."""
    inside = {path.relative_to(ROOT) for path in (ROOT / "prunec").rglob("*.py")}
    core = {path.as_posix() for path in inside if path.parts[1] not in LINKS}
    outside = {path.relative_to(ROOT).as_posix() for link in LINKS for path in (ROOT / link).rglob("*.py")}
    return core | {f"prunec/{path}" for path in outside}


def page_parts() -> set[str]:
    """What the report's page is made of besides code."""
    folder = ROOT / "prunec/report/page"
    return {path.relative_to(ROOT).as_posix() for path in folder.iterdir() if path.suffix in (".j2", ".css", ".js")}


def test_the_package_list_names_every_folder_with_code() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = settings["tool"]["setuptools"]["packages"]
    assert set(listed) == {Path(file).parent.as_posix().replace("/", ".") for file in module_files()}


def test_every_package_has_an_init_file_with_a_docstring() -> None:
    for folder in {Path(file).parent for file in module_files()}:
        source = ROOT / (folder.relative_to("prunec") if folder.parts[1:2] and folder.parts[1] in LINKS else folder)
        assert (source / "__init__.py").read_text(encoding="utf-8").startswith('"""'), source


def test_the_wheel_holds_every_module(tmp_path: Path) -> None:
    source = tmp_path / "source"
    # Links are left behind, as in a zip of the repository: the mapping alone must do.
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("prunec", "passes", "backends"):
        shutil.copytree(ROOT / name, source / name, ignore=links_and_caches)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(tmp_path), str(source)], check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("prunec-*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == module_files() | {"prunec/py.typed"} | page_parts()


def links_and_caches(folder: str, names: list[str]) -> set[str]:
    """What `shutil.copytree` leaves out."""
    return {name for name in names if name == "__pycache__" or (Path(folder) / name).is_symlink()}


def test_every_public_name_can_be_imported() -> None:
    assert prunec.__all__
    for name in prunec.__all__:
        assert getattr(prunec, name) is not None


def test_every_module_can_be_imported() -> None:
    for file in module_files():
        importlib.import_module(file.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
