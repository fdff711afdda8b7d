"""Calibration data as it was given, read as far as that needs no model: text, inputs of the model, or images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from prunec.calibration.batching import Batch
from prunec.calibration.inputs import IMAGES, MOST, TENSORS, drawn, in_rows, read_inputs, row_count, row_shapes, stacked
from prunec.calibration.labels import LabelledText, label_names
from prunec.calibration.pictures import Pictures, folder_labels
from prunec.calibration.sources import SUFFIXES, files_with, read_texts, text_files
from prunec.calibration.textsource import Text, TextSource
from prunec.errors import InputError
from prunec.frontends.loaded import Loaded
from prunec.ir.program import Input, Program
from prunec.options import Options

ROWS = 4
"""Rows of a batch of inputs from files, where the model does not fix them."""
KINDS = {"images": IMAGES, "inputs": TENSORS, "text": SUFFIXES}


@dataclass(frozen=True)
class Given:
    """What a compile is to be calibrated on; nothing of it where nothing was given.

    Attributes:
        texts: by name; one alone may have none, and is under "".
        batches: inputs of the model; `origin`: where they come from, if not from Python.
        images: files of them; which are read is drawn by `seed`.
    """

    texts: Mapping[str, Text] = field(default_factory=dict)
    batches: Sequence[Batch] | None = None
    images: tuple[Path, ...] = ()
    origin: str = ""
    seed: int = 0

    @staticmethod
    def read(options: Options, batches: Sequence[Batch] | None) -> Given:
        """Read what `options` name; `batches`, which were given from Python, take its place.

        Raises:
            InputError: it cannot be read, or several are given that are no text.
        """
        return Given.of(named(options), options.seed) if batches is None else Given(batches=batches)

    @staticmethod
    def of(paths: Mapping[str, Path], seed: int) -> Given:
        """What is in `paths`, by name.

        Raises:
            InputError: it cannot be read, or several are given that are no text.
        """
        found = {name: (path, *files_in(path)) for name, path in paths.items()}
        other = next((path for path, kind, _ in found.values() if kind != "text"), None)
        if other is None:
            return Given({name: Text(read_texts(path, seed), str(path)) for name, (path, _, _) in found.items()})
        if len(found) > 1:
            raise InputError(f"{other} is no text, and several are given", "give one folder of it, or texts alone")
        ((path, kind, files),) = found.values()
        if kind == "images":
            return Given(images=tuple(files), origin=str(path), seed=seed)
        return Given(batches=read_inputs(files), origin=str(path))

    @property
    def has_labels(self) -> bool:
        """Whether texts come with what the model should say."""
        return any(isinstance(text.documents[0], LabelledText) for text in self.texts.values() if text.documents)

    @property
    def rows(self) -> dict[str, tuple[int, ...]]:
        """The shape of a row of each input that is given and no token; nothing of text and of files of images."""
        return row_shapes(next(iter(self.batches or ()), {}))

    def source(self, loaded: Loaded, sequence: int) -> TextSource:
        """What the corpus for `loaded` comes from, texts in windows of `sequence` tokens.

        Raises:
            InputError: images are given, and the model reads none, or they cannot be read; or inputs are not of the
                sizes that the model takes.
        """
        return TextSource(
            loaded.program.fixed.get("sequence", sequence),
            packs=loaded.task.objective == "causal-lm",
            tokenizer=loaded.tokenizer,
            batches=tuple(self.inputs(loaded, loaded.program.fixed.get("batch"), MOST))
            if self.origin
            else self.batches,
            texts=self.texts,
            writer=loaded.writer,
            replier=loaded.replier,
            origin=self.origin,
        )

    def inputs(self, loaded: Loaded, fixed: int | None, most: int | None = None) -> Sequence[Batch]:
        """What is in files that are no text, in batches that the model takes; images are read as they are asked for.

        Images in folders that are called like the labels of a classifier have these labels.

        Args:
            loaded: the model.
            fixed: rows of a batch where the model takes no other number: those that are left over go.
            most: images at most; of more, so many are drawn.

        Raises:
            InputError: images are given, and the model reads none, or they cannot be read; or inputs are not of the
                sizes that the model takes.
        """
        rows = fixed or ROWS
        if self.images:
            return self._pictures(loaded, rows, fixed is not None, most)
        batches = [batch for batch in in_rows(self.batches or (), rows) if fixed in (None, row_count(batch))]
        return [self._typed(batch, loaded.program) for batch in batches]

    def _pictures(self, loaded: Loaded, rows: int, full: bool, most: int | None) -> Pictures:
        read, program = loaded.images, loaded.program
        if read is None:
            raise InputError(
                f"{self.origin} holds images, and the model has no preprocessor for images",
                "put its preprocessor_config.json into the model folder, or give its inputs as .npz",
            )
        files = drawn(self.images, self.seed, most)
        files = files[: len(files) // rows * rows] if full else files
        labels = folder_labels(files, label_names(program))
        return Pictures(files, rows, lambda some: self._typed(stacked(read(some)), program), labels)

    def _typed(self, batch: Batch, program: Program) -> Batch:
        """`batch` with numbers of the types that `program` takes, after a check of its sizes."""
        typed = dict(batch)
        for item in program.asked:
            value, example = batch.get(item.name), program.example[item.name]
            if value is None:
                raise InputError(f"{self.origin} has no {item.name}", f"give {_names(program)}")
            if _fixed_sizes(value, item) != _fixed_sizes(example, item):
                raise InputError(
                    f"{item.name} in {self.origin} is {list(value.shape)}, and the model is traced for "
                    f"{list(example.shape)}",
                    "give inputs of that size: all axes but the named ones that prunec inspect prints must agree",
                )
            if value.is_floating_point() == example.is_floating_point():
                typed[item.name] = value.to(example.dtype)
        return typed


def _fixed_sizes(value: Tensor, item: Input) -> list[int]:
    """The sizes of the axes that are as they were traced; -1 for the others."""
    return [-1 if axis in item.axes else size for axis, size in enumerate(value.shape)]


def _names(program: Program) -> str:
    return ", ".join(item.name for item in program.asked)


def named(options: Options) -> dict[str, Path]:
    """The calibration that `options` name, by name; one alone may have none, and is under ""."""
    given = options.calibration if isinstance(options.calibration, Mapping) else {"": options.calibration}
    return {name: path for name, path in given.items() if path is not None}


def files_in(path: Path) -> tuple[str, list[Path]]:
    """What kind of data `path` is or holds most files of, and these.

    Raises:
        InputError: it is not there, or holds none.
    """
    found = {kind: files_with(path, suffixes) for kind, suffixes in KINDS.items()}
    kind = max(found, key=lambda kind: len(found[kind]))
    if not found[kind] and path.exists():
        every = "; ".join(f"{kind} ({', '.join(suffixes)})" for kind, suffixes in KINDS.items())
        raise InputError(
            f"{path} is or holds nothing that can be read", f"give {every}, or a directory of one of these"
        )
    return kind, found[kind] or text_files(path)
