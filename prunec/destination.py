"""Where a compile's files go: an artifact and its report among other files, or a folder with all that is deployed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from prunec.errors import InputError
from prunec.files import check_folder, check_output

STEM = "model"
"""What the artifact in a folder of its own is called."""
REPORT = "report.json"
PAGE = "report.html"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
"""The file that holds all tensors of a model's folder, where there is one."""
PREPROCESSOR = "preprocessor_config.json"
"""How images or sounds become a model's inputs."""
PROCESSOR = "processor_config.json"
"""The same of a model that takes several kinds of input."""
REMOVED = "prunec.json"
"""What went from the model of a checkpoint."""
WEAKNESS = "weakness.jsonl"
GENAI = "genai_config.json"
"""What onnxruntime-genai reads beside a graph with a cache."""
TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.txt", "vocab.json", "merges.txt",
    "spiece.model", "sentencepiece.bpe.model", "sentencepiece.model", "spm.model", "spm_char.model", "bpe.codes",
    "source.spm", "target.spm", "target_vocab.json", "vocab-src.json", "vocab-tgt.json", "dict.txt",
    "prophetnet.tokenizer", "byte_maps.json", "emoji.json", "entity_vocab.json", "word_shape.json",
    "word_pronunciation.json", "normalizer.json",
)  # fmt: skip
"""The files of tokenizers, as their classes in transformers call them."""
COPIED = (
    "generation_config.json",
    PREPROCESSOR,
    PROCESSOR,
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    *TOKENIZER,
)
"""The files of a model's folder that go along to a folder of an artifact's own: data alone, nothing that runs."""


def copy_data(source: Path, folder: Path) -> None:
    """Copy to `folder` those of `COPIED` that `source` has; raises OSError."""
    for name in COPIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)


@dataclass(frozen=True)
class Destination:
    """Where the files of one compile go.

    Attributes:
        artifact: the artifact.
        report: the report on it.
        folder: the folder that both are alone in with what else is deployed, written as a whole; None where they lie
            among other files.
    """

    artifact: Path
    report: Path
    folder: Path | None = None

    @staticmethod
    def read(output: str | os.PathLike[str], suffix: str = ".onnx", *, emit: str = "artifact") -> Destination:
        """What `output` asks for: a folder, whose artifact ends in `suffix`, where it is one or ends in a slash.

        With `emit="hf"` it is always a folder, whose artifact is the weights.

        Raises:
            InputError: `output` is empty, or is called as a file where it must be a folder.
        """
        text = os.fspath(output)
        if not text:
            raise InputError("the output has no name", "give --output a file, such as slim.onnx, or a folder, as slim/")
        path, slash = Path(text), text.endswith(("/", os.sep))
        if emit == "hf":
            if path.suffix and not (slash or path.is_dir()):
                raise InputError(
                    f"--emit hf writes a folder, and {path.name} is called as a file", f"give --output {path.stem}/"
                )
            return Destination(path / WEIGHTS, path / REPORT, path)
        if slash or path.is_dir():
            return Destination(path / f"{STEM}{suffix}", path / REPORT, path)
        return Destination(path, report_path(path))

    def labelled(self, label: str) -> Destination:
        """The same with `label` in the name of the artifact, or of the folder that it is alone in."""
        if self.folder is None:
            path = self.artifact.with_name(f"{self.artifact.stem}-{label}{self.artifact.suffix}")
            return Destination(path, report_path(path))
        folder = self.folder.with_name(f"{self.folder.name}-{label}")
        return Destination(folder / self.artifact.name, folder / self.report.name, folder)

    @property
    def page(self) -> Path:
        """Where the page that shows the report goes: `slim.report.html`, or `report.html` in a folder of its own."""
        return self.report.with_suffix(".html")

    @property
    def weakness(self) -> Path:
        """Where the weaknesses go, if any are looked for."""
        return weakness_path(self.artifact) if self.folder is None else self.folder / WEAKNESS

    @property
    def beside(self) -> Path:
        """The folder in which files can be made that are then only renamed."""
        return (self.folder or self.artifact).absolute().parent

    def check(self, force: bool, sides: Iterable[Path] = ()) -> None:
        """Make sure that all can be written; raises InputError as `check_output` and `check_folder` do."""
        if self.folder is None:
            check_output(self.artifact, force, (self.report, self.page, *sides))
        else:
            check_folder(self.folder, force, mark=self.report.name, known=self._is_own)

    def replaces(self, path: Path, sides: Iterable[Path] = ()) -> bool:
        """Whether the file at `path` goes when all is written, with those at `sides`, or in what was there before."""
        found = path.resolve()
        if self.folder is not None:
            return found.is_relative_to(self.folder.resolve())
        return found in {place.resolve() for place in (self.artifact, self.report, self.page, *sides)}

    def _is_own(self, name: str) -> bool:
        """Whether a file is called as one that is written into the folder; the artifact may have files beside it."""
        return name in (PAGE, CONFIG, WEAKNESS, REMOVED, GENAI, *COPIED) or f"{name}.".startswith(
            f"{self.artifact.name}."
        )

    def __str__(self) -> str:
        """As `--output` takes it."""
        return str(self.artifact) if self.folder is None else f"{self.folder}{os.sep}"


def report_path(output: Path) -> Path:
    """Where the report of `output` goes: `slim.onnx` has `slim.report.json` beside it."""
    return output.with_name(f"{output.stem}.report.json")


def weakness_path(output: Path) -> Path:
    """Where the weaknesses of `output` go, if any are looked for: `slim.onnx` has `slim.weakness.jsonl` beside it."""
    return output.with_name(f"{output.stem}.weakness.jsonl")
