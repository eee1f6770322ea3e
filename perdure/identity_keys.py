"""Ed25519 keys in PEM files: one private key that signs, or public keys one after the other that check."""

import re
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from perdure.dotenv import SettingsError

__all__ = ["read_private_key", "read_public_keys"]

BEGIN = b"-----BEGIN "
BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)
PRIVATE = (
    "PERDURE_SIGNING_KEY is a file with one Ed25519 private key in PEM: openssl genpkey -algorithm ed25519 -out FILE"
)
PUBLIC = (
    "PERDURE_PUBLIC_KEYS is a file with Ed25519 public keys in PEM, one after the other: "
    "openssl pkey -in PRIVATE_KEY -pubout >> FILE"
)


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """The private key of this file. Raises SettingsError that names the file and never quotes it."""
    try:
        key = load_pem_private_key(_read(path, PRIVATE), password=None)
    except TypeError:
        raise _wrong(path, "the key is protected by a passphrase, which nobody could type here", PRIVATE) from None
    except (ValueError, UnsupportedAlgorithm):
        raise _wrong(path, "it holds no private key in PEM", PRIVATE) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _wrong(path, "the key is of another kind than Ed25519", PRIVATE)
    return key


def read_public_keys(path: Path) -> tuple[Ed25519PublicKey, ...]:
    """Every public key of this file, at least one. Raises SettingsError that names the file and the number of a key.

    Text between the keys is taken as comment; a key that is cut off is an error, lest it be missed in silence.
    """
    data = _read(path, PUBLIC)
    blocks = list(BLOCK.finditer(data))
    if not blocks:
        raise _wrong(path, "it holds no whole PEM block", PUBLIC)
    if len(blocks) != data.count(BEGIN):
        raise _wrong(path, "one of its keys is cut off", PUBLIC)
    return tuple(_public_key(path, number, block) for number, block in enumerate(blocks, start=1))


def _public_key(path: Path, number: int, block: re.Match[bytes]) -> Ed25519PublicKey:
    if block[1] != b"PUBLIC KEY":
        raise _wrong(path, f"block {number} is a {block[1].decode()}, not a PUBLIC KEY", PUBLIC)
    try:
        key = load_pem_public_key(block[0])
    except (ValueError, UnsupportedAlgorithm):
        raise _wrong(path, f"key {number} cannot be read", PUBLIC) from None
    if not isinstance(key, Ed25519PublicKey):
        raise _wrong(path, f"key {number} is of another kind than Ed25519", PUBLIC)
    return key


def _read(path: Path, valid: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _wrong(path, f"it cannot be read ({error.strerror})", valid) from None


def _wrong(path: Path, what: str, valid: str) -> SettingsError:
    return SettingsError(f"{path}: {what}; {valid}")
