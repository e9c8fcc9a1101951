"""Which code this is: the git commit, and whether the tree still is that commit."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from voxloop.errors import RefusedError
from voxloop.settings import get_settings

UNKNOWN = "unknown"
RUNS = ("components", "configs", "dags", "feature_repo", "pipelines", "src", "constraints.txt", "pyproject.toml")
"""Code and configuration of a run: who changed these last trained, whatever was committed after it."""
# A git hook sets these, and they would lead git to another tree than the one asked about.
GIT = ("env", "-u", "GIT_DIR", "-u", "GIT_WORK_TREE", "-u", "GIT_INDEX_FILE", "git")


@dataclass(frozen=True)
class CodeRevision:
    """A git commit (hex, or `unknown`) and whether files differ from it."""

    commit: str
    dirty: bool


def read_code_revision(project_root: Path) -> CodeRevision:
    """Return the revision of the tree at `project_root`.

    An image holds no `.git`: the commit baked into it (`VOXLOOP_GIT_COMMIT`) is believed. Without either, the
    commit is `unknown`, which counts as dirty.
    """
    baked = get_settings().git_commit
    if baked and not (project_root / ".git").exists():  # a checkout speaks for itself
        return CodeRevision(baked, dirty=False)
    commit = _git(project_root, "rev-parse", "--verify", "HEAD")
    status = _git(project_root, "status", "--porcelain", "--untracked-files=normal")
    if commit is None or status is None:
        return CodeRevision(UNKNOWN, dirty=True)
    return CodeRevision(commit, dirty=bool(status))


def read_authors(project_root: Path, commit: str) -> tuple[str, ...]:
    """Return names and mails of whose work a run of a commit is; none when that cannot be told.

    They are who wrote the commit and who made it one, and the same of the last commit up to it that changed code or
    configuration (`RUNS`): a correction of the README by another is no second pair of eyes. An image holds no `.git`:
    the mail baked into it (`VOXLOOP_GIT_AUTHOR`) is believed.

    Args:
        project_root: The checkout.
        commit: Hex.
    """
    baked = get_settings().git_author
    if baked and not (project_root / ".git").exists():
        return (baked,)
    people = "--format=%an%n%ae%n%cn%n%ce"
    told = _git(project_root, "show", "--no-patch", people, "--end-of-options", commit)
    changed = _git(project_root, "log", "-1", people, "--end-of-options", commit, "--", *RUNS)
    if told is None or changed is None:
        return ()
    return tuple(dict.fromkeys(line.strip() for line in f"{told}\n{changed}".splitlines() if line.strip()))


def require_clean(project_root: Path) -> CodeRevision:
    """Return the revision of a clean tree.

    Raises:
        RefusedError: The tree has changes, or no commit is known.
    """
    revision = read_code_revision(project_root)
    if revision.dirty:
        found = "is no git checkout with a commit" if revision.commit == UNKNOWN else "has uncommitted changes"
        raise RefusedError(
            f"{project_root} {found}",
            rule="a model is registered only from a commit that names its code",
            remedy="commit the changes (`git status` shows them) and run again",
        )
    return revision


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            [*GIT, "-C", str(folder), *arguments], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
