"""Signed folders: every change is seen, and no signature but our own is good."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloop.adapters.model_signing import FolderSigner
from voxloop.errors import ConfigError, InputError, IntegrityError
from voxloop.settings import Settings

FILES = {"config.pbtxt": b"name", "1/model.py": b"import numpy", "1/model.onnx": bytes(range(256))}


def write_folder(folder: Path) -> Path:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> FolderSigner:
    return FolderSigner(Settings(home=tmp_path_factory.mktemp("signer")))


@pytest.fixture(scope="module")
def signature(signer: FolderSigner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("signed")
    signer.sign(write_folder(place / "model"), place / "model.sig")
    return place / "model.sig"


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1
    path.write_bytes(content)


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


CHANGES: dict[str, Callable[[Path], object]] = {
    "a byte of the configuration": lambda model: flip(model / "config.pbtxt", 0),
    "a byte of the program": lambda model: flip(model / "1" / "model.py", 3),
    "a file added": lambda model: (model / "1" / "sitecustomize.py").write_text("pass"),
    "git's own file added": lambda model: (model / ".gitattributes").write_text("* -text"),
    "a folder of git added": lambda model: shutil.copytree(model / "1", model / ".git"),
    "an empty folder added": lambda model: (model / "2").mkdir(),
    "a file removed": lambda model: (model / "1" / "model.py").unlink(),
    "a file renamed": lambda model: (model / "config.pbtxt").rename(model / "config.pbtxt.bak"),
    "a file moved": lambda model: (model / "1" / "model.onnx").rename(model / "model.onnx"),
    "two files exchanged": lambda model: exchange(model / "config.pbtxt", model / "1" / "model.py"),
    "a file made a link to its bytes": lambda model: link_to_copy(model / "1" / "model.onnx"),
    "everything removed": empty,
    "the folder removed": shutil.rmtree,
}


def exchange(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def link_to_copy(path: Path) -> None:
    copy = path.parents[2] / "copy"
    path.rename(copy)
    path.symlink_to(copy)


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_a_signed_folder_is_seen(
    signer: FolderSigner, signature: Path, tmp_path: Path, change: str
) -> None:
    model = write_folder(tmp_path / "model")
    signer.verify(model, signature)
    CHANGES[change](model)
    with pytest.raises(IntegrityError, match="not as it was signed"):
        signer.verify(model, signature)


@settings(deadline=None, max_examples=60)
@given(name=st.sampled_from(sorted(FILES)), at=st.integers(0, 255), kind=st.sampled_from(["flip", "cut", "grow"]))
def test_one_changed_byte_anywhere_is_seen(
    signer: FolderSigner, signature: Path, name: str, at: int, kind: str
) -> None:
    with tempfile.TemporaryDirectory() as place:
        model = write_folder(Path(place) / "model")
        path = model / name
        if kind == "flip":
            flip(path, at)
        else:
            path.write_bytes(path.read_bytes()[:-1] if kind == "cut" else path.read_bytes() + b"\0")
        with pytest.raises(IntegrityError, match=f"Hash mismatch for '{name}'"):
            signer.verify(model, signature)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_a_changed_signature_is_refused_with_a_named_error(
    signer: FolderSigner, signature: Path, data: st.DataObject
) -> None:
    """Changed where it says something: whatever is left verifies, or is refused as an `IntegrityError`."""
    bundle = json.loads(signature.read_text())
    envelope = bundle["dsseEnvelope"]
    what = data.draw(st.sampled_from(["payload", "sig", "type", "hint", "bytes"]))
    text = data.draw(st.text(max_size=20))
    if what == "payload":
        envelope["payload"] = text
    elif what == "sig":
        envelope["signatures"] = data.draw(st.sampled_from([[], [{"sig": text, "keyid": ""}], text]))
    elif what == "type":
        envelope["payloadType"] = text
    elif what == "hint":
        bundle["verificationMaterial"]["publicKey"] = data.draw(st.sampled_from([{}, {"hint": text}, text]))
    raw = json.dumps(bundle).encode()
    if what == "bytes":
        raw = data.draw(st.binary(max_size=40))
    with tempfile.TemporaryDirectory() as place:
        model = write_folder(Path(place) / "model")
        forged = Path(place) / "forged.sig"
        forged.write_bytes(raw)
        if what in ("type", "hint"):  # neither is what the key has sealed: the folder is still the signed one
            try:
                signer.verify(model, forged)
            except IntegrityError:
                return
            flip(model / "config.pbtxt", 0)
        with pytest.raises(IntegrityError, match="not as it was signed"):
            signer.verify(model, forged)


def test_another_keys_signature_is_refused(signer: FolderSigner, tmp_path: Path) -> None:
    model = write_folder(tmp_path / "model")
    stranger = FolderSigner(Settings(home=tmp_path / "stranger"))
    stranger.sign(model, tmp_path / "strange.sig")
    stranger.verify(model, tmp_path / "strange.sig")
    with pytest.raises(IntegrityError, match="not as it was signed"):
        signer.verify(model, tmp_path / "strange.sig")
    with pytest.raises(IntegrityError, match="cannot be read"):
        signer.verify(model, tmp_path / "none.sig")


def test_who_only_verifies_has_the_public_key_alone(signer: FolderSigner, signature: Path, tmp_path: Path) -> None:
    model = write_folder(tmp_path / "model")
    signer.verify(model, signature)
    public = tmp_path / "public.pem"
    shutil.copy(signer.private_key.with_name("signing.pub"), public)
    elsewhere = Settings(home=tmp_path / "elsewhere", signing_public_key=public)
    FolderSigner(elsewhere).verify(model, signature)
    assert not elsewhere.home.exists()
    public.unlink()
    with pytest.raises(ConfigError, match="no key .*public"):
        FolderSigner(elsewhere).verify(model, signature)
    with pytest.raises(ConfigError, match="VOXLOOP_SIGNING_PUBLIC_KEY"):
        FolderSigner(Settings(home=tmp_path / "nobody")).verify(model, signature)


def test_a_lost_key_is_not_replaced_where_it_is_said_whose_it_is(signer: FolderSigner, tmp_path: Path) -> None:
    """A model signed by a new key would be refused for good; that a key is missing can be mended."""
    model = write_folder(tmp_path / "model")
    signer.sign(model, tmp_path / "model.sig")
    signer.verify(model, tmp_path / "model.sig")
    elsewhere = Settings(home=tmp_path / "elsewhere", signing_public_key=signer.private_key.with_name("signing.pub"))
    with pytest.raises(ConfigError, match=r"signing\.key is missing"):
        FolderSigner(elsewhere).sign(model, tmp_path / "other.sig")
    assert not elsewhere.signing_key_file.exists()


def test_the_private_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    model = write_folder(tmp_path / "model")
    FolderSigner(settings).sign(model, tmp_path / "first.sig")
    key = settings.signing_key_file
    before = key.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    FolderSigner(settings).sign(model, tmp_path / "second.sig")
    assert key.read_bytes() == before
    assert [path.name for path in settings.home.iterdir()] == ["signing.key"]
    key.write_bytes(b"no key")
    with pytest.raises(ConfigError, match=r"signing\.key holds no private key"):
        FolderSigner(settings).verify(model, tmp_path / "first.sig")


def test_a_lying_public_key_beside_the_private_one_is_not_believed(tmp_path: Path) -> None:
    settings, stranger = Settings(home=tmp_path / "home"), Settings(home=tmp_path / "stranger")
    model = write_folder(tmp_path / "model")
    for place in (settings, stranger):
        FolderSigner(place).sign(model, place.home / "model.sig")
        FolderSigner(place).verify(model, place.home / "model.sig")
    shutil.copy(stranger.home / "signing.pub", settings.home / "signing.pub")
    with pytest.raises(IntegrityError):
        FolderSigner(settings).verify(model, stranger.home / "model.sig")


def test_what_cannot_be_read_whole_is_not_signed(signer: FolderSigner, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    os.mkfifo(write_folder(tmp_path / "piped") / "pipe")
    for name in ("empty", "piped", "none"):
        with pytest.raises(InputError):
            signer.sign(tmp_path / name, tmp_path / "out.sig")
    assert not (tmp_path / "out.sig").exists()


def test_the_stock_command_verifies_it(signer: FolderSigner, signature: Path, tmp_path: Path) -> None:
    """Another program than ours reads what we signed."""
    model = write_folder(tmp_path / "model")
    signer.verify(model, signature)
    public = signer.private_key.with_name("signing.pub")
    options = ["--signature", str(signature), "--public_key", str(public), "--no-ignore-git-paths"]
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(model), *options]
    assert subprocess.run(command, capture_output=True, text=True, check=False).returncode == 0
    flip(model / "1" / "model.onnx", 9)
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "model.onnx" in refused.stdout + refused.stderr
