"""The artifact is written into the scratch folder, alone."""

from __future__ import annotations

from prunec.cost.target import Artifact, Target
from prunec.cost.workload import Workload
from prunec.passbase import Context
from prunec.passes.analysis.emit import EmitPass
from tests.passes.cases import Case
from tests.passes.fakes import by_parameters, fake_backend


def test_the_artifact_and_its_size(llama: Case, context: Context) -> None:
    with fake_backend(by_parameters) as backend:
        facts = llama.facts(Target(backend(), Workload("prefill", 1, 8, 1), "speedup", 2, "slim.fake"))
        folder = context.scratch / "artifact"
        folder.mkdir()
        (folder / "slim.fake.data").write_text("of an earlier round")
        (artifact,) = EmitPass().run(llama.program, facts, context).facts
    assert artifact == Artifact(folder / "slim.fake", llama.program.size_bytes() + 1000)
    assert [path.name for path in folder.iterdir()] == ["slim.fake"]


def test_logits_of_the_last_token_are_stated(llama: Case, context: Context) -> None:
    with fake_backend(by_parameters) as backend:
        target = Target(backend(), Workload("prefill", 1, 8, 1), "speedup", 2, "slim.fake", last_token=True)
        result = EmitPass().run(llama.program, llama.facts(target), context)
        written = backend.programs[context.scratch / "artifact" / "slim.fake"]
    assert written(llama.program.example)["logits"].shape[1] == 1
    assert result.program is llama.program
    assert result.log.endswith("the artifact gives logits of the last token alone, [batch, 1, vocabulary]")
