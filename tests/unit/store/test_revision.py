from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from voxloop.errors import RefusedError
from voxloop.settings import Settings, get_settings
from voxloop.store.revision import UNKNOWN, CodeRevision, read_authors, read_code_revision, require_clean

pytestmark = pytest.mark.usefixtures("settings")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "code.py").write_text("a = 1\n")
    (folder / ".gitignore").write_text("*.log\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_a_clean_tree_is_its_commit(checkout: Path) -> None:
    assert read_code_revision(checkout) == CodeRevision(git(checkout, "rev-parse", "HEAD"), dirty=False)
    (checkout / "noise.log").write_text("ignored")
    assert require_clean(checkout).dirty is False


@pytest.mark.parametrize("change", ["edit", "add", "remove", "stage"])
def test_any_change_makes_it_dirty(checkout: Path, change: str) -> None:
    if change == "edit":
        (checkout / "code.py").write_text("a = 2\n")
    elif change == "remove":
        (checkout / "code.py").unlink()
    else:
        (checkout / "more.py").write_text("")
    if change == "stage":
        git(checkout, "add", ".")
    assert read_code_revision(checkout).dirty
    with pytest.raises(RefusedError, match="has uncommitted changes.*git status"):
        require_clean(checkout)


def test_no_git_is_unknown_and_dirty(tmp_path: Path) -> None:
    assert read_code_revision(tmp_path) == CodeRevision(UNKNOWN, dirty=True)
    with pytest.raises(RefusedError, match="is no git checkout"):
        require_clean(tmp_path)


def test_a_repository_without_a_commit_is_unknown(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert read_code_revision(tmp_path) == CodeRevision(UNKNOWN, dirty=True)


def test_the_commit_baked_into_an_image_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXLOOP_GIT_COMMIT", "f" * 40)
    get_settings.cache_clear()
    assert read_code_revision(tmp_path) == CodeRevision("f" * 40, dirty=False)


def test_a_hook_of_another_repository_does_not_lead_astray(
    checkout: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_code_revision(checkout)
    git(tmp_path, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    assert read_code_revision(checkout) == expected


def test_the_authors_of_a_commit_are_who_wrote_it_and_who_made_it_one(checkout: Path) -> None:
    first = git(checkout, "rev-parse", "HEAD")
    (checkout / "code.py").write_text("a = 2\n")
    git(checkout, "commit", "-qam", "second", "--author", "Ann B <ann@example.org>")
    assert read_authors(checkout, first) == ("test", "test@localhost")
    assert read_authors(checkout, git(checkout, "rev-parse", "HEAD")) == (
        "Ann B",
        "ann@example.org",
        "test",
        "test@localhost",
    )


def test_who_changed_the_configuration_trained_whatever_was_committed_after_it(checkout: Path) -> None:
    (checkout / "configs").mkdir()
    for name, author in (("configs/a.yaml", "Ann <ann@example.org>"), ("README.md", "Bob <bob@example.org>")):
        (checkout / name).write_text("a: 1\n")
        git(checkout, "add", name)
        git(checkout, "commit", "-qm", name, "--author", author)
    head = git(checkout, "rev-parse", "HEAD")
    assert {"ann@example.org", "bob@example.org"} <= set(read_authors(checkout, head))


@pytest.mark.parametrize("commit", ["0" * 40, UNKNOWN, "", "--help"])
def test_the_authors_of_no_commit_are_not_known(checkout: Path, commit: str) -> None:
    assert read_authors(checkout, commit) == ()


def test_an_image_believes_the_author_baked_into_it(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_authors(tmp_path, "0" * 40) == ()
    monkeypatch.setenv("VOXLOOP_GIT_AUTHOR", "ann@example.org")
    get_settings.cache_clear()
    assert read_authors(tmp_path, "0" * 40) == ("ann@example.org",)
    assert read_authors(checkout, "HEAD") == ("test", "test@localhost")
