"""Ed25519 keys of tests, in files as users have them."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

__all__ = ["Pair", "make_pair"]


@dataclass(frozen=True)
class Pair:
    """A private key and its public key, each in a file."""

    private: Path
    public: Path
    key: Ed25519PrivateKey


def make_pair(folder: Path, name: str = "key") -> Pair:
    """New keys `NAME.pem` and `NAME.pub.pem` in the folder."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return Pair(private, public, key)
