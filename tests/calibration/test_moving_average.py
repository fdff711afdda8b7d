"""In a moving average every sequence makes those before it count less; how the stream is batched changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prunec import cli
from prunec.calibration.executor import collect
from prunec.calibration.sampling import TokenSample
from prunec.calibration.scorefile import load_scores
from prunec.calibration.statistics import AbsoluteGradient, FeatureSums, Statistic
from prunec.drivers.request import Request
from prunec.errors import InputError
from prunec.facts import Scores
from prunec.options import NO_BUDGET, Options
from prunec.passbase import Context, Silent
from prunec.passes.analysis.importance import ImportancePass
from tests.passes.cases import Batch, Case, load_case
from tests.pipelines import usual


@pytest.fixture(scope="module")
def llama(tiny_llama_dir: Path) -> Case:
    return load_case(tiny_llama_dir)


def fed(case: Case, statistic: Statistic, batches: tuple[Batch, ...], ema: float | None, seed: int = 0) -> None:
    goal = case.goal.objective
    collect(case.program, case.structure, batches, [statistic], goal, seed=seed, progress=Silent(), ema=ema)


def single(batches: tuple[Batch, ...]) -> tuple[Batch, ...]:
    return tuple(
        {name: value[row : row + 1] for name, value in batch.items()}
        for batch in batches
        for row in range(len(batch["input_ids"]))
    )


@pytest.mark.parametrize("kind", [FeatureSums, AbsoluteGradient])
def test_means_are_those_of_the_plain_recursion(kind: type[FeatureSums | AbsoluteGradient], llama: Case) -> None:
    averaged, (family, *_) = kind(), llama.structure.families
    site = None if kind.wants_gradients else family.sites[0]
    fed(llama, averaged, llama.corpus.score[:3], 0.7)
    total, count = np.zeros(()), 0.0
    for row in single(llama.corpus.score[:3]):
        alone = kind()
        fed(llama, alone, (row,), None)
        tokens = alone.counts[family.name, site.weight if site else ""]
        total, count = 0.7 * total + alone.mean(family, site) * tokens, 0.7 * count + tokens
    assert averaged.mean(family, site) == pytest.approx(total / count, rel=1e-5)


def test_batching_changes_nothing_and_order_does(llama: Case) -> None:
    rows = single(llama.corpus.score)
    together, apart, backwards = FeatureSums(), FeatureSums(), FeatureSums()
    fed(llama, together, llama.corpus.score, 0.9)
    fed(llama, apart, rows, 0.9)
    fed(llama, backwards, rows[::-1], 0.9)
    for family in llama.structure.families:
        expected = apart.mean(family, family.sites[0])
        assert together.mean(family, family.sites[0]) == pytest.approx(expected, rel=1e-4, abs=1e-7)
        assert not np.allclose(backwards.mean(family, family.sites[0]), expected, rtol=1e-3)


def wanda(case: Case, context: Context, ema: float | None) -> np.ndarray:
    given = ImportancePass("wanda", ema).run(case.program, case.facts(), context).facts
    (found,) = [fact for fact in given if isinstance(fact, Scores)]
    return np.concatenate(list(found.units.values()))


def test_scores_follow_the_later_part_of_a_stream_that_drifts(llama: Case, tmp_path: Path) -> None:
    context = Context(tmp_path, tmp_path)
    old, new = llama.corpus.score[:1], llama.corpus.score[1:2]
    later = wanda(replace(llama, corpus=replace(llama.corpus, score=new)), context, None)
    drifting = replace(llama, corpus=replace(llama.corpus, score=old * 6 + new * 6))
    averaged, plain = wanda(drifting, context, 0.85), wanda(drifting, context, None)
    assert np.abs(averaged - later).max() < 0.5 * np.abs(plain - later).max()


def test_near_one_it_is_the_plain_mean(llama: Case, tmp_path: Path) -> None:
    context = Context(tmp_path, tmp_path)
    assert wanda(llama, context, 1 - 1e-9) == pytest.approx(wanda(llama, context, None), rel=1e-5)


class Small(TokenSample):
    """Eight tokens."""

    SIZE = LEAST = 8


def test_a_sample_prefers_what_came_last(llama: Case) -> None:
    family = llama.structure.families[0]
    counts = {}
    last = TokenSample()
    fed(llama, last, llama.corpus.score[-1:], None)
    recent = {row.tobytes() for row in last.rows(family, family.sites[0]).round(4)}
    for ema in (None, 0.5):
        found = 0
        for seed in range(8):
            sample = Small()
            fed(llama, sample, llama.corpus.score, ema, seed)
            found += sum(row.tobytes() in recent for row in sample.rows(family, family.sites[0]).round(4))
        counts[ema] = found / 64
    assert counts[None] < 0.3
    assert counts[0.5] > 0.7


@pytest.mark.parametrize("value", [0.0, 1.0, -0.5, 2.0, float("nan")])
def test_a_share_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="not between 0 and 1"):
        ImportancePass("wanda", value)
    with pytest.raises(InputError, match="not between 0 and 1"):
        Options(NO_BUDGET, ema=value)


def test_it_is_written_into_passes_that_are_given() -> None:
    with pytest.raises(InputError, match="--ema and --passes are both given"):
        Request.read(Options(NO_BUDGET, ema=0.9, passes="structure"), None, "onnx", None)


@pytest.mark.usefixtures("settled")
def test_the_command_takes_it(tiny_llama_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["score", str(tiny_llama_dir), "-o", str(tmp_path / "s.safetensors"), "--importance", "magnitude"]
    assert cli.main([*given, "--quiet", "--ema", "0.98"]) == 0
    assert load_scores(tmp_path / "s.safetensors").criterion == "magnitude, ema=0.98"
    assert cli.main([*given, "--force", "--ema", "1.5"]) == 2
    assert "ema 1.5 is not between 0 and 1" in capsys.readouterr().err


def test_the_pipeline_and_the_scores_say_so(llama: Case, tmp_path: Path) -> None:
    assert "importance{wanda, ema=0.98}" in usual(importance="wanda", ema=0.98)
    given = ImportancePass("wanda", 0.98).run(llama.program, llama.facts(), Context(tmp_path, tmp_path)).facts
    assert [fact.criterion for fact in given if isinstance(fact, Scores)] == ["wanda, ema=0.98"]
