"""Signatures over model folders: OpenSSF model-signing with an elliptic key of one's own.

The stock command reads them: `model_signing verify key FOLDER --signature FILE --public_key signing.pub
--no-ignore-git-paths`.
"""

from __future__ import annotations

import ast
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.errors import ConfigError, InputError, IntegrityError
from voxloop.store.atomic import write_file
from voxloop.store.plain_files import require_plain_tree

if TYPE_CHECKING:
    from model_signing.hashing import Config as Hashing

    from voxloop.settings import Settings


class FolderSigner:
    """Signs folders with the private key of these settings, and verifies them with the public one.

    The private key, P-256 in PEM, is made on first use and is its owner's alone. A machine that only verifies has
    `signing_public_key` and needs no private one.
    """

    def __init__(self, settings: Settings) -> None:
        self.private_key = settings.signing_key_file
        self.public_key = settings.signing_public_key
        self._derived = settings.home / "signing.pub"

    def sign(self, folder: Path, signature: Path) -> None:
        """Write the signature of every file under `folder` to the file `signature`, outside of it.

        Raises:
            InputError: The folder is missing or empty, or holds a link, an empty folder or no plain file.
            ConfigError: The key is missing where `signing_public_key` names whose it is.
        """
        from model_signing.signing import Config

        require_plain_tree(folder)
        self._make_key()
        signature.parent.mkdir(parents=True, exist_ok=True)
        beside = signature.with_name(f".{signature.name}.{secrets.token_hex(4)}")
        try:
            signer = Config().set_hashing_config(_hash_everything())  # type: ignore[no-untyped-call]
            signer.use_elliptic_key_signer(private_key=self.private_key).sign(folder, beside)
            write_file(signature, beside.read_bytes())
        finally:
            beside.unlink(missing_ok=True)

    def verify(self, folder: Path, signature: Path) -> None:
        """Return when `folder` holds what was signed, no file more and none less.

        Raises:
            IntegrityError: A file was changed, added, removed or renamed; or the signature is missing, malformed or
                of another key.
            ConfigError: There is no key to verify with.
        """
        from model_signing.verifying import Config

        public_key = self._find_public_key()
        with _refusals(folder):
            require_plain_tree(folder)
            verifier = Config().set_hashing_config(_hash_everything())  # type: ignore[no-untyped-call]
            verifier.use_elliptic_key_verifier(public_key=public_key).verify(folder, signature)

    def _find_public_key(self) -> Path:
        if self.public_key is not None:
            if self.public_key.is_file():
                return self.public_key
            raise ConfigError(
                f"there is no key {self.public_key}", rule="signing_public_key names a file in PEM", remedy="give one"
            )
        if not self.private_key.is_file():
            raise ConfigError(
                f"there is no key to verify signatures with: neither {self.private_key} nor signing_public_key",
                rule="only signed models are loaded",
                remedy="set VOXLOOP_SIGNING_PUBLIC_KEY to the public key of who signs, or restore signing.key",
            )
        # Written anew each time: a file that lies about cannot make another's signature good.
        return write_file(self._derived, _public_half(self.private_key))

    def _make_key(self) -> None:
        if self.private_key.exists():
            return
        if self.public_key is not None:
            raise ConfigError(
                f"there is no key to sign with: {self.private_key} is missing",
                rule=f"a new one would not be that of signing_public_key, {self.public_key}",
                remedy=f"restore {self.private_key.name}, or unset VOXLOOP_SIGNING_PUBLIC_KEY to have a key made",
            )
        self.private_key.parent.mkdir(parents=True, exist_ok=True)
        beside = self.private_key.with_name(f".{self.private_key.name}.{secrets.token_hex(4)}")
        try:
            write_file(beside, _new_key(), mode=0o600)
            self.private_key.hardlink_to(beside)
        except FileExistsError:
            pass  # another process was faster: its key stays
        finally:
            beside.unlink(missing_ok=True)


def _hash_everything() -> Hashing:
    """Return the hashing of all files: by itself the library passes over `.gitattributes` and its like."""
    from model_signing.hashing import Config

    hashing = Config().use_file_serialization()  # type: ignore[no-untyped-call]
    return hashing.set_ignored_paths(paths=[], ignore_git_paths=False)


@contextmanager
def _refusals(folder: Path) -> Iterator[None]:
    """Say what the library found in the words of an `IntegrityError`: of a hostile bundle it raises many kinds."""
    from cryptography.exceptions import InvalidSignature

    try:
        yield
    except ConfigError:
        raise
    except InvalidSignature:
        raise _refuse(folder, "the signature is not of our key, or was changed") from None
    except OSError as unreadable:
        raise _refuse(folder, f"{unreadable.filename} cannot be read ({unreadable.strerror})") from None
    except (InputError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as wrong:
        raise _refuse(folder, _name_files(str(wrong)) or type(wrong).__name__) from None


def _name_files(problem: str) -> str:
    """Return the library's words without its digests: what a person looks for is the file."""
    words, listed = problem.partition("Signature mismatch: ")[::2]
    try:
        each = [str(one).partition(": Expected")[0] for one in ast.literal_eval(listed)] if listed else [words]
    except (ValueError, SyntaxError):
        each = [problem]
    return " ".join("; ".join(each).split())[:400]


def _refuse(folder: Path, problem: str) -> IntegrityError:
    return IntegrityError(
        f"{folder.name} is not as it was signed: {problem}",
        rule="only what was signed is loaded, to the byte",
        remedy="find out who changed it; what is served stays. `voxloop deploy` stages a version of the registry anew",
    )


def _new_key() -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_half(private_key: Path) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        key = load_pem_private_key(private_key.read_bytes(), password=None)
    except (ValueError, TypeError) as broken:
        raise ConfigError(
            f"{private_key} holds no private key in PEM ({broken})"[:300],
            rule="an elliptic key, P-256, P-384 or P-521, without a password",
            remedy="restore it from a backup; without one remove it, and register and approve again",
        ) from None
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
