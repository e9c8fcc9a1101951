"""The infrastructure: well formed, guarded under a mock provider, really applied to a server on loopback."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from components import images
from tests.soak import in_soak
from voxloop.settings import child_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).resolve().parents[2] / "terraform"
STATE_BUCKET = "voxloop-terraform-state"
REGION = "eu-central-1"
PURPOSES = ["artifacts", "data", "models"]

pytestmark = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")


def terraform(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run terraform without this machine's AWS settings, so that no test can reach a real account."""
    kept = {name: value for name, value in child_environment().items() if not name.startswith("AWS_")}
    return subprocess.run(
        ["terraform", *arguments],
        cwd=folder,
        env={**kept, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", **variables},
        text=True,
        capture_output=True,
        check=False,
    )


def must(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def initialise(folder: Path, *arguments: str, **variables: str) -> None:
    plugins = child_environment().get("TERRAFORM_PLUGIN_DIR")
    where = [f"-plugin-dir={plugins}"] if plugins else []
    done = terraform(folder, "init", "-input=false", "-no-color", *where, *arguments, **variables)
    if "Failed to query available provider packages" in done.stderr:
        pytest.skip("the AWS provider is neither in TERRAFORM_PLUGIN_DIR nor reachable")
    must(done)


def copy_source(to: Path) -> Path:
    """Copy the configuration, so that neither provider links nor state appear in the tree."""
    return Path(shutil.copytree(SOURCE, to, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*")))


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_source(tmp_path_factory.mktemp("offline") / "terraform")
    initialise(folder, "-backend=false")
    return folder


def test_every_file_is_formatted() -> None:
    must(terraform(SOURCE, "fmt", "-check", "-recursive", "-diff"))


def test_the_configuration_is_valid(offline: Path) -> None:
    assert json.loads(must(terraform(offline, "validate", "-json")))["diagnostics"] == []


@pytest.mark.slow
def test_the_modules_keep_their_promises(offline: Path) -> None:
    summary = must(terraform(offline, "test", "-no-color"))
    runs = sum(path.read_text(encoding="utf-8").count('\nrun "') for path in SOURCE.glob("tests/*.tftest.hcl"))
    assert f"Success! {runs} passed, 0 failed." in summary


@pytest.mark.slow
@pytest.mark.parametrize(
    ("guard", "weaker"),
    [
        pytest.param('status = "Enabled"\n  }\n}', 'status = "Suspended"\n  }\n}', id="unversioned"),
        pytest.param("restrict_public_buckets = true", "restrict_public_buckets = false", id="public"),
    ],
)
def test_a_weakened_module_is_caught(offline: Path, tmp_path: Path, guard: str, weaker: str) -> None:
    folder = Path(shutil.copytree(offline, tmp_path / "terraform", symlinks=True))
    module = folder / "modules" / "storage" / "main.tf"
    text = module.read_text(encoding="utf-8")
    assert text.count(guard) == 1
    module.write_text(text.replace(guard, weaker), encoding="utf-8")
    done = terraform(folder, "test", "-no-color", "-filter=tests/storage.tftest.hcl")
    assert done.returncode == 1
    assert "Test assertion failed" in done.stderr


class Loopback:
    """A moto server, and a copy of the configuration whose provider and state live on it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.credentials = {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(folder / "no-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
            "AWS_ENDPOINT_URL": url,
        }
        self.url = url

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        chosen = ("-no-color", "-input=false", "-var-file=envs/dev.tfvars", *arguments)
        return terraform(self.folder, command, *chosen, **self.credentials)

    def initialise(self) -> None:
        self.client("s3").create_bucket(Bucket=STATE_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        # Bucket names as host names cannot be resolved on loopback.
        override = 'provider "aws" {\n  s3_use_path_style = true\n}\n'
        (self.folder / "loopback_override.tf").write_text(override, encoding="utf-8")
        chosen = ("envs/dev.tfbackend", f"bucket={STATE_BUCKET}", "use_path_style=true")
        initialise(self.folder, *(f"-backend-config={value}" for value in chosen), **self.credentials)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_it_answers(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"the moto server did not answer at {url} (exit {server.poll()})")


@pytest.fixture(scope="module")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    folder = copy_source(tmp_path_factory.mktemp("loopback") / "terraform")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until_it_answers(f"http://127.0.0.1:{port}", server)
            there = Loopback(f"http://127.0.0.1:{port}", folder)
            there.initialise()
            yield there
        finally:
            server.terminate()


@pytest.mark.slow
@in_soak("a minute and a half beside a plan of the same")
def test_apply_makes_guarded_buckets_and_destroy_leaves_nothing(loopback: Loopback) -> None:
    # About a minute, nearly all of it the provider waiting for S3's lifecycle rules to settle.
    must(loopback.run("apply", "-auto-approve"))
    outputs = json.loads(must(terraform(loopback.folder, "output", "-json", **loopback.credentials)))
    buckets = outputs["buckets"]["value"]
    assert sorted(buckets) == PURPOSES
    for purpose, name in buckets.items():
        assert name.startswith(f"voxloop-dev-{purpose}-")
        assert_guarded(loopback, name)
    assert_repositories_guarded(loopback)
    assert sorted(outputs["repositories"]["value"]) == [images.VOXLOOP.partition(":")[0]]
    must(loopback.run("plan", "-detailed-exitcode"))  # it exits 2 when a second apply would change something

    must(loopback.run("destroy", "-auto-approve"))
    assert [bucket["Name"] for bucket in loopback.client("s3").list_buckets()["Buckets"]] == [STATE_BUCKET]
    assert loopback.client("ecr").describe_repositories()["repositories"] == []
    aliases = [alias["AliasName"] for alias in loopback.client("kms").list_aliases()["Aliases"]]
    assert not [name for name in aliases if "voxloop" in name]


def assert_guarded(loopback: Loopback, bucket: str) -> None:
    s3 = loopback.client("s3")
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert blocked == dict.fromkeys(
        ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True
    )
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    assert {"aws:SecureTransport": "false"} in [s["Condition"].get("Bool") for s in policy["Statement"]]
    (lifecycle,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert lifecycle["NoncurrentVersionExpiration"]["NoncurrentDays"] == 14


def assert_repositories_guarded(loopback: Loopback) -> None:
    repositories = loopback.client("ecr").describe_repositories()["repositories"]
    assert {r["repositoryName"].partition("/")[0] for r in repositories} == {"voxloop-dev"}
    for repository in repositories:
        assert repository["imageTagMutability"] == "IMMUTABLE"
        assert repository["imageScanningConfiguration"]["scanOnPush"] is True
        assert repository["encryptionConfiguration"]["encryptionType"] == "KMS"


def test_a_held_lock_refuses_a_second_writer(loopback: Loopback) -> None:
    lock = {"Bucket": STATE_BUCKET, "Key": "voxloop/dev/terraform.tfstate.tflock"}
    loopback.client("s3").put_object(**lock, Body=b'{"ID": "1", "Who": "somebody"}')
    try:
        done = loopback.run("plan")
    finally:
        loopback.client("s3").delete_object(**lock)
    assert done.returncode == 1
    assert "Error acquiring the state lock" in done.stderr
    assert "somebody" in done.stderr
