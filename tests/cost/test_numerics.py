"""Types and devices that a backend does not know are refused by the option that asks for them."""

from __future__ import annotations

import pytest

from prunec.cost.numerics import Numerics, configured
from prunec.cost.target import Target
from prunec.cost.workload import Workload
from prunec.errors import InputError
from tests.passes.fakes import FakeBackend, RoundingBackend


@pytest.mark.parametrize(
    ("numerics", "flag"), [(Numerics("int8"), "--dtype int8"), (Numerics(device="cuda"), "--device cuda")]
)
def test_a_backend_of_one_type_is_refused_others(numerics: Numerics, flag: str) -> None:
    with pytest.raises(InputError, match=f"{flag} is asked for, and fake artifacts know .* alone"):
        configured(FakeBackend(), numerics)


def test_a_backend_of_one_type_is_taken_as_it_is() -> None:
    backend = FakeBackend()
    assert configured(backend, Numerics()) is backend


def test_a_target_goes_back_to_float32_and_on_to_finer_grids() -> None:
    asked = Numerics("int8")
    backend = configured(RoundingBackend(), asked)
    target = Target(backend, Workload("prefill", 1, 8, 1), "speedup", 2.0, "slim.fake", numerics=asked)
    finer = target.refined(frozenset({"a"}))
    assert target.reduced
    assert (finer.backend.runtime, finer.plain.runtime) == ("fake 1 int8", "fake 1 fp32")
    assert finer.numerics.fine == {"a"}
