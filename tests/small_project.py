"""A clean checkout whose pipeline `training` takes minutes: a dozen virtual speakers, few epochs, and policies by name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import yaml

RULE = {"limit": 0.0, "comparison": {"kind": "non_inferiority", "margin": 0.03}}
POLICY = {
    "version": 1,
    "claim": "new speakers",
    "minimum_speakers": 2,
    "minimum_utterances": 12,
    "minimum_per_label": 1,
    "measures": {"uar": RULE},
    "level": 0.51,
}


def make_small_project(clean_checkout: Path, folder: Path) -> Path:
    """Return a copy as a commit of its own, with a gate policy that anything passes, `easy`, and one that nothing does."""
    copy = folder / "voxloop"
    shutil.copytree(clean_checkout, copy)
    shrink(copy / "configs" / "corpora" / "world.yaml", "world.home.speakers=12", "world.utterances_per_speaker=12")
    shrink(copy / "configs" / "tasks" / "emotion" / "smoke.yaml", "epochs=12", "patience=12")
    shrink(copy / "configs" / "evaluation" / "emotion.yaml", "changes.utterances=12")
    for name, limit in (("easy", 0.0), ("severe", 0.999)):
        policy = POLICY | {"measures": {"uar": RULE | {"limit": limit}}}
        (copy / "configs" / "gates" / f"{name}.yaml").write_text(yaml.safe_dump(policy))
    git = ["git", "-C", str(copy), "-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "small"], check=True)
    return copy


def shrink(path: Path, *changes: str) -> None:
    """Put `a.b=c` into a YAML file."""
    content = yaml.safe_load(path.read_text())
    for change in changes:
        keys, value = change.split("=")
        *parents, leaf = keys.split(".")
        place = content
        for parent in parents:
            place = place[parent]
        place[leaf] = int(value)
    path.write_text(yaml.safe_dump(content))
