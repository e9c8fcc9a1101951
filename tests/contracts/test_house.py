"""The house is as its maps say: names, pins, hooks, and nothing that does not belong in a commit."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.splitlines()
TEXTS = [name for name in TRACKED if not name.endswith((".png", ".svg", ".ogg", ".flac"))]


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-triton.txt"])
def test_constraints_are_names_and_versions_alone(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", line)] == []


def test_torch_is_pinned_without_a_local_suffix() -> None:
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


def test_hooks_and_ci_call_make_alone() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]]
    assert entries
    assert all(entry.startswith("make ") for entry in entries)
    commands = [
        line
        for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith(("#", "set ", "cd ", "if "))
    ]
    assert commands
    assert all(line.startswith("make ") for line in commands)


def test_every_make_target_that_a_hook_or_ci_calls_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    promised = [
        "help",
        "setup",
        "demo",
        "test",
        "test-all",
        "soak",
        "check",
        "format",
        "compile",
        "bench",
        "docs",
        "clean",
    ]
    assert targets >= set(promised)
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert set(re.findall(r"^make ([a-z-]+)", ci, re.MULTILINE)) <= targets


def test_every_path_of_the_readme_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", readme) if "://" not in link]
    rooms = re.findall(r"^  ([a-z_]+)/ ", readme, re.MULTILINE)
    assert links
    assert rooms
    assert [link for link in links if not (ROOT / link).exists()] == []
    assert [room for room in rooms if not (ROOT / "src" / "voxloop" / room).is_dir()] == []


def test_every_room_is_on_the_readme_map() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    package = ROOT / "src" / "voxloop"
    rooms = [folder.name for folder in package.iterdir() if (folder / "__init__.py").exists()]
    assert [room for room in rooms if f"  {room}/ " not in readme] == []


@pytest.mark.parametrize("word", ["/work/", "/root/", "/opt/wheels", "index-url =", "files.pythonhosted"])
def test_no_file_names_this_machine_or_a_registry(word: str) -> None:
    here = Path(__file__).relative_to(ROOT).as_posix()
    holds = [
        name for name in TEXTS if name != here and word in (ROOT / name).read_text(encoding="utf-8", errors="replace")
    ]
    assert holds == []


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "manager", "managers", "misc", "base"])
def test_no_room_is_named_for_a_pattern(name: str) -> None:
    stems = {Path(path).stem for path in TRACKED if path.endswith(".py")} | {
        part for path in TRACKED for part in Path(path).parts
    }
    assert name not in stems
