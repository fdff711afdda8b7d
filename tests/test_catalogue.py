"""The catalogue: what packages add, what it does with names, and what it says of broken packages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest

from prunec import catalogue
from prunec.catalogue import Catalogue, backend_names, find_pass, pass_names
from prunec.errors import InputError, PassError

Install = Callable[..., Catalogue]

PASS_SOURCE = """
from dataclasses import dataclass
from typing import ClassVar
from prunec.passbase import Pass, PassResult

class Number: ...

@dataclass(frozen=True)
class Count(Pass):
    name: ClassVar[str] = "count"
    gives: ClassVar[tuple[type, ...]] = (Number,)
    def run(self, program, facts, context): return PassResult(program)

class Onnx:
    name = "onnx"
    suffixes = (".onnx", ".onnx.zip")
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts packages on the path: `install(name={"passes": table source})`, and returns the catalogue of all."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def make(**packages: dict[str, str]) -> Catalogue:
        for name, tables in packages.items():
            lines = [f"{key} = {name}_module:{key}" for key in tables]
            info = tmp_path / f"{name}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
            (info / "entry_points.txt").write_text("\n".join(["[prunec]", *lines]), encoding="utf-8")
            source = "\n".join([PASS_SOURCE, *(f"{key} = {table}" for key, table in tables.items())])
            (tmp_path / f"{name}_module.py").write_text(source, encoding="utf-8")
        return Catalogue(point for found in distributions(path=[str(tmp_path)]) for point in found.entry_points)

    yield make
    for name in set(sys.modules) - before:
        if name.endswith("_module"):
            del sys.modules[name]


@pytest.mark.parametrize("target", ["Count", "'one_module:Count'", "lambda: Count"])
def test_a_table_may_hold_a_class_a_place_or_a_getter(install: Install, target: str) -> None:
    assert install(one={"passes": f"{{'count': {target}}}"}).find_pass("count").__name__ == "Count"


def test_a_place_is_not_imported_before_it_is_asked_for(install: Install) -> None:
    catalogue = install(one={"passes": "{'count': Count, 'lost': 'nowhere_module:Lost'}"})
    assert catalogue.find_pass("count").name == "count"
    with pytest.raises(PassError, match=r"`lost` of the package one cannot be loaded \(ModuleNotFoundError"):
        catalogue.find_pass("lost")


def test_tables_of_several_packages_are_one(install: Install) -> None:
    catalogue = install(
        one={"passes": "{'count': Count}"}, two={"passes": "{'other': type('Other', (Count,), {'name': 'other'})}"}
    )
    assert sorted(catalogue.passes) == ["count", "other"]


def test_a_name_that_two_packages_use_is_an_error_naming_both(install: Install) -> None:
    catalogue = install(another={"passes": "{'count': Count}"}, prunec={"passes": "{'count': Count}"})
    with pytest.raises(PassError, match="passes: `count` comes from prunec and from another"):
        catalogue.find_pass("count")


def test_an_unknown_name_is_answered_with_near_ones(install: Install) -> None:
    catalogue = install(one={"passes": "{'count': Count}"})
    with pytest.raises(InputError, match=r"no pass is called `coutn`. did you mean count\?"):
        catalogue.find_pass("coutn")


def test_a_far_off_name_is_answered_with_all(install: Install) -> None:
    catalogue = install(one={"backends": "{'onnx': Onnx}"})
    with pytest.raises(InputError, match=r"no backend is called `zzz`\. there are: onnx"):
        catalogue.find_backend("zzz")


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("3", "3 is not a class"),
        ("Onnx", "Onnx calls itself 'onnx'"),
        ("type('Count', (), {'name': 'count'})", "Count is not a Pass"),
        ("'one_module:Missing'", "AttributeError"),
    ],
)
def test_a_bad_entry_names_its_package(install: Install, target: str, why: str) -> None:
    catalogue = install(one={"passes": f"{{'count': {target}}}"})
    with pytest.raises(PassError, match=rf"`count` of the package one cannot be loaded \({why}"):
        catalogue.find_pass("count")


@pytest.mark.parametrize("table", ["1 / 0", "['count']"])
def test_a_bad_table_names_its_package(install: Install, table: str) -> None:
    catalogue = install(one={"passes": table})
    with pytest.raises(PassError, match="the passes of the package one cannot be loaded"):
        catalogue.find_pass("count")


def test_a_backend_is_found_by_the_outputs_suffix(install: Install) -> None:
    catalogue = install(one={"backends": "{'onnx': Onnx}"})
    assert catalogue.backend_for(Path("out/Slim.ONNX")) is catalogue.find_backend("onnx")


def test_an_unknown_suffix_is_answered_with_the_known_ones(install: Install) -> None:
    catalogue = install(one={"backends": "{'onnx': Onnx}"})
    with pytest.raises(InputError, match=r"no backend writes slim.gguf.*: \.onnx \(onnx\), \.onnx\.zip \(onnx\)"):
        catalogue.backend_for(Path("slim.gguf"))


def test_givers_are_the_passes_that_declare_the_fact(install: Install) -> None:
    catalogue = install(one={"passes": "{'count': Count}"})
    count = catalogue.find_pass("count")
    assert catalogue.givers(count.gives[0]) == (count,)
    assert catalogue.givers(int) == ()


def test_every_installed_pass_loads_under_its_name() -> None:
    assert [find_pass(name).name for name in pass_names()] == list(pass_names())


def test_prunecs_own_backends_are_installed() -> None:
    assert "onnx" in backend_names()


def test_an_artifact_is_found_in_its_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no artifact"):
        catalogue.find_artifact(tmp_path)
    for name in ("model.onnx", "model.onnx.data", "config.json"):
        (tmp_path / name).touch()
    path, backend = catalogue.find_artifact(tmp_path)
    assert (path, backend.name) == (tmp_path / "model.onnx", "onnx")
    assert catalogue.find_artifact(path) == (path, backend)
    (tmp_path / "model.pt").touch()
    with pytest.raises(InputError, match="holds 2 artifacts"):
        catalogue.find_artifact(tmp_path)
