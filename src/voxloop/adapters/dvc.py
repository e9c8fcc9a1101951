"""DVC: which data a git revision pins, and fetching it from the cache or the remote.

DVC is run as a process of this environment: it keeps locks, clones and signal handlers of its own. Its analytics are
off here and in `.dvc/config`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from voxloop.errors import InputError, ServiceUnavailableError, VoxloopError
from voxloop.settings import child_environment
from voxloop.store.revision import GIT

_SECONDS = 3600  # a remote may be slow, but not for ever
_ANSWERS_LATER = ("timed out", "timeout", "connection", "could not connect", "temporarily", "unreachable")


def run_dvc(repository: Path, arguments: Sequence[str]) -> str:
    """Run `dvc` in a repository and return what it prints.

    Raises:
        ServiceUnavailableError: The remote does not answer.
        VoxloopError: DVC failed in another way; the message is its own last word.
    """
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=repository,
        env=child_environment({"DVC_NO_ANALYTICS": "1"}),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout
    said = _last_word(done.stderr or done.stdout)
    problem, remedy = f"dvc {arguments[0]}: {said}", "`dvc remote list` and `.dvc/config.local` say where data lie"
    if any(word in said.lower() for word in _ANSWERS_LATER):
        raise ServiceUnavailableError(problem, rule="the remote must answer", remedy=remedy)
    raise VoxloopError(problem, rule="the data must be in the cache or the remote", remedy=remedy)


def resolve_revision(repository: Path, revision: str) -> str:
    """Return the commit a git revision names.

    Raises:
        InputError: It names none, or `repository` is no git checkout.
    """
    commit = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if not commit:
        raise InputError(
            f"{revision!r} is neither a dataset folder nor a git revision of {repository}",
            rule="two revisions, or two folders with a manifest.json, are compared",
            remedy="`git log --oneline dvc.lock` lists the revisions that changed data",
        )
    return commit.strip()


def find_pin(repository: Path, commit: str, path: str) -> str:
    """Return the digest that DVC pins `path` to at a commit, from the nearest dvc.lock or from `<path>.dvc`.

    Raises:
        InputError: That commit pins no such path.
    """
    wanted = PurePosixPath(path)
    for folder in wanted.parents:
        for out in _outs_of(_git(repository, "show", f"{commit}:{folder / 'dvc.lock'}")):
            if folder / out["path"] == wanted:
                return str(out["md5"])
    for out in _outs_of(_git(repository, "show", f"{commit}:{path}.dvc")):
        return str(out["md5"])
    raise InputError(
        f"{path} is not tracked by DVC at {commit[:10]}",
        rule="a revision pins its data in dvc.lock or in a .dvc file",
        remedy="name another --path, or a revision after `dvc repro` was committed",
    )


def fetch_dataset(repository: Path, commit: str, path: str, target: Path) -> Path:
    """Bring the data of a commit into the folder `target`, from the cache or else the remote.

    DVC is not told to be quiet: with `--quiet` it keeps the error to itself.

    Raises:
        ServiceUnavailableError: The remote does not answer.
        VoxloopError: The data are neither in the cache nor in the remote.
    """
    run_dvc(repository, ["get", "--rev", commit, "--out", str(target), str(repository), path])
    return target


def _outs_of(text: str | None) -> Iterator[dict[str, Any]]:
    """Yield the outs with a digest of a dvc.lock (by stage) or a .dvc file (at the top)."""
    content = yaml.safe_load(text) if text else None
    if not isinstance(content, dict):
        return
    for holder in (content, *(content.get("stages") or {}).values()):
        for out in holder.get("outs") or ():
            if isinstance(out, dict) and "path" in out and "md5" in out:
                yield out


def _git(repository: Path, *arguments: str) -> str | None:
    done = subprocess.run([*GIT, "-C", str(repository), *arguments], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def _last_word(text: str) -> str:
    """Return what DVC calls the error, or else its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["it said nothing"])[-1]
