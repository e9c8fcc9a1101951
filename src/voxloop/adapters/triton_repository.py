"""A model folder as Triton wants it: `<repository>/<name>/{config.pbtxt, 1/model.onnx}`, and its signature.

Beside the graph lies `model.py` where that runs it (`configs/serving.yaml`).

The signature lies outside the repository, where Triton, which may run as another user, reads and writes nothing.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.adapters.model_signing import FolderSigner
from voxloop.adapters.triton_config import fill_config, parse_description
from voxloop.adapters.triton_serving import ServingConfig, load_serving_config
from voxloop.errors import VoxloopError
from voxloop.store.atomic import build_folder, remove_tree
from voxloop.store.digests import digest_file, digest_tree

if TYPE_CHECKING:
    from voxloop.settings import Settings

TEMPLATE = ("serving", "onnx")
"""Below the project: what is filled in for every model."""


class TritonRepository:
    """The folder Triton loads from. Models are built beside it, so that Triton never meets a half-written one."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.root = settings.model_repository
        self.building = settings.home / "triton" / "staging"
        self.signatures = settings.home / "triton" / "signatures"
        self.signer = FolderSigner(settings)

    def stage(self, name: str, model: Path, model_digest: str) -> bool:
        """Put a model folder in place under `name`, signed; return False when these very bytes are there already.

        Raises:
            ConfigError: `configs/serving.yaml` is not acceptable.
            InputError: The model's record is malformed, or its request is none that Triton can take.
            IntegrityError: What stands in the repository afterwards is not what was built.
        """
        config = load_serving_config(self.settings.project_root)
        built = self.building / name
        _remove_if_there(built)
        with build_folder(built) as folder:
            fill_template(self.settings.project_root.joinpath(*TEMPLATE), folder, name, model, model_digest, config)
        expected, place = digest_tree(built), self.root / name
        # Signed before it is in place: killed in between, what stands there is refused until it is staged again.
        self.signer.sign(built, self._signature(name))
        if place.is_dir() and digest_tree(place) == expected:
            remove_tree(built)
            return False
        _remove_if_there(place)
        self.root.mkdir(parents=True, exist_ok=True)
        built.rename(place)
        return True

    def verify(self, name: str) -> None:
        """Return when the staged folder is what was signed: configuration, program and graph.

        Raises:
            IntegrityError: A byte of it was changed, a file added, removed or renamed, or there is no signature.
        """
        self.signer.verify(self.root / name, self._signature(name))

    def list_verified(self) -> tuple[list[str], dict[str, str]]:
        """Return the names of the folders that may be loaded, and of each other one why it may not."""
        sound, refused = [], {}
        for place in sorted(self.root.iterdir()) if self.root.is_dir() else []:
            try:
                self.verify(place.name)
            except VoxloopError as problem:
                refused[place.name] = str(problem)
            else:
                sound.append(place.name)
        return sound, refused

    def remove(self, name: str) -> None:
        """Take a model out; it leaves the repository in one step."""
        place, aside = self.root / name, self.building / f"{name}.removed"
        if place.exists():
            _remove_if_there(aside)
            aside.parent.mkdir(parents=True, exist_ok=True)
            place.rename(aside)
            remove_tree(aside)
        self._signature(name).unlink(missing_ok=True)

    def staged(self, task: str) -> list[str]:
        """Return the names of a task's models in the repository."""
        named = re.compile(rf"{re.escape(task)}-[0-9a-f]{{12}}")
        return sorted(path.name for path in self.root.glob(f"{task}-*") if named.fullmatch(path.name))

    def _signature(self, name: str) -> Path:
        return self.signatures / f"{name}.sig"


def fill_template(
    template: Path, folder: Path, name: str, model: Path, model_digest: str, serving: ServingConfig
) -> None:
    """Write what Triton needs to serve the model folder `model` (its model.json and model.onnx) into `folder`.

    Raises:
        ConfigError: It is to be served by TensorRT, and a length is not told.
        InputError: `model.json` is malformed, or declares a request that Triton cannot take.
    """
    described = parse_description((model / "model.json").read_bytes(), f"{model.name}/model.json")
    version = folder / "1"
    version.mkdir()
    shutil.copyfile(model / "model.onnx", version / "model.onnx")
    if serving.runs_program:
        shutil.copyfile(template / "model.py", version / "model.py")
        # A file where Python would make its folder of byte code: Triton's interpreter writes it whatever
        # PYTHONDONTWRITEBYTECODE says, and a folder with a file more is not the one that was signed.
        (version / "__pycache__").touch()
    values = {"name": name, "model_digest": model_digest, "onnx_sha256": digest_file(model / "model.onnx")}
    config = (template / "config.pbtxt.template").read_text(encoding="utf-8")
    (folder / "config.pbtxt").write_text(fill_config(config, described, serving, values), encoding="utf-8")


def _remove_if_there(folder: Path) -> None:
    if folder.exists():
        remove_tree(folder)
