"""DVC's S3 remote, played by moto on loopback: pushed, lost, pulled again, byte for byte; and what it says when it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from tests.conftest import free_ports
from tests.unit.jobs.datasets import make_rows, write_dataset
from voxloop.errors import ServiceUnavailableError, VoxloopError
from voxloop.runners.data_diff import data_diff
from voxloop.settings import get_settings
from voxloop.store.digests import list_files

pytestmark = pytest.mark.slow  # a server of its own and dozens of processes: minutes on a busy machine

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "voxloop-test"
NOBODY = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    """Run an S3 server on loopback with an empty bucket and return its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    connect(address, "s3").create_bucket(Bucket=BUCKET)
    yield address
    server.stop()


@pytest.fixture
def key(storage: str) -> Iterator[dict[str, str]]:
    """Have the server check credentials, and return those of a user who may use S3."""
    iam = connect(storage, "iam")
    iam.create_user(UserName="trainer")
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
    iam.put_user_policy(UserName="trainer", PolicyName="data", PolicyDocument=policy)
    made = iam.create_access_key(UserName="trainer")["AccessKey"]
    check_credentials(storage, after="0")
    yield {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    check_credentials(storage, after="inf")
    iam.delete_access_key(UserName="trainer", AccessKeyId=made["AccessKeyId"])
    iam.delete_user_policy(UserName="trainer", PolicyName="data")
    iam.delete_user(UserName="trainer")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with this project's .dvc/config and two revisions of a dataset, `one` and `two`."""
    folder = tmp_path_factory.mktemp("template") / "project"
    surroundings = {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder.parent / "site")}
    (folder / ".dvc").mkdir(parents=True)
    shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    (folder / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n", encoding="utf-8")
    call(folder, "git", "init", "-q")
    for tag, speakers in (("one", ["a", "b"]), ("two", ["a", "b", "c"])):
        shutil.rmtree(folder / "data" / "dataset", ignore_errors=True)
        write_dataset(folder / "data" / "dataset", make_rows({"train": speakers}))
        dvc(folder, "add", "-q", "data/dataset", environment=surroundings)
        call(folder, "git", "add", "-A")
        call(folder, "git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", tag)
        call(folder, "git", "tag", tag)
    return folder


@pytest.fixture
def project(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str) -> Iterator[Path]:
    """Return a copy of the template whose remote is a place of its own in the bucket, named in .dvc/config.local."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    surroundings = {
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_DEFAULT_REGION": "us-east-1",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(tmp_path / "site"),
        "VOXLOOP_PROJECT_ROOT": str(tmp_path / "project"),
        "VOXLOOP_HOME": str(tmp_path / "home"),
        **NOBODY,
    }
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    shutil.copytree(template, tmp_path / "project")
    place_remote(tmp_path / "project", storage)
    yield tmp_path / "project"
    monkeypatch.undo()
    get_settings.cache_clear()


def place_remote(folder: Path, address: str) -> None:
    """Write what `dvc remote modify --local` writes."""
    lines = ("['remote \"storage\"']", f"    url = s3://{BUCKET}/{folder.parent.name}", f"    endpointurl = {address}")
    (folder / ".dvc" / "config.local").write_text("\n".join(lines) + "\n", encoding="utf-8")


def connect(address: str, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # moto's
    )


def check_credentials(address: str, *, after: str) -> None:
    assert httpx.post(f"{address}/moto-api/reset-auth", content=after, trust_env=False).is_success


def call(folder: Path, *command: str, environment: Mapping[str, str] | None = None) -> None:
    done = run(folder, *command, environment=environment)
    assert done.returncode == 0, done.stderr


def run(folder: Path, *command: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    surroundings = {**os.environ, **(environment or {})}
    return subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)


def dvc(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
    call(folder, sys.executable, "-m", "dvc", *arguments, environment=environment)


def lose_everything_local(folder: Path) -> None:
    shutil.rmtree(folder / ".dvc" / "cache")
    shutil.rmtree(folder / "data" / "dataset")


def test_what_was_pushed_comes_back_byte_for_byte(project: Path, key: dict[str, str]) -> None:
    whole = list_files(project / "data" / "dataset")
    dvc(project, "push", environment=key)
    lose_everything_local(project)
    dvc(project, "pull", environment=key)
    assert list_files(project / "data" / "dataset") == whole
    assert run(project, "git", "status", "--porcelain").stdout == ""  # the bucket's name stays on this machine


def test_an_older_revision_is_compared_out_of_the_remote(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dvc(project, "push", "--all-tags")
    lose_everything_local(project)
    data_diff("one", "two")
    assert "speakers added: c" in capsys.readouterr().out
    assert not (project / "data" / "dataset").exists()


def test_wrong_credentials_are_refused_and_named(
    project: Path, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dvc(project, "push", "--all-tags", environment=key)
    lose_everything_local(project)
    with pytest.raises(VoxloopError, match=r"dvc get: .*; the data must be in the cache or the remote") as error:
        data_diff("one", "two")
    assert not error.value.transient
    assert any(word in str(error.value) for word in ("403", "Forbidden", "does not exist in our records"))


def test_a_remote_that_does_not_answer_is_worth_another_try(project: Path) -> None:
    lose_everything_local(project)
    place_remote(project, f"http://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(ServiceUnavailableError, match="the remote must answer"):
        data_diff("one", "two")
