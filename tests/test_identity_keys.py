"""Files with keys that cannot be used: the file, what is wrong and what would be valid are named, never the key."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from perdure.identity import Signer, Verifier
from perdure.settings import SettingsError
from tests.keys import make_pair

MAKE_PRIVATE = "openssl genpkey -algorithm ed25519"
MAKE_PUBLIC = "openssl pkey -in PRIVATE_KEY -pubout"


def refused_signer(path: Path, data: bytes) -> str:
    """Words about this file as a private key."""
    path.write_bytes(data)
    with pytest.raises(SettingsError) as refused:
        Signer(path)
    assert str(path) in refused.value.message
    assert MAKE_PRIVATE in refused.value.message
    return refused.value.message


def refused_verifier(path: Path, data: bytes) -> str:
    """Words about this file as public keys."""
    path.write_bytes(data)
    with pytest.raises(SettingsError) as refused:
        Verifier(path)
    assert str(path) in refused.value.message
    assert MAKE_PUBLIC in refused.value.message
    return refused.value.message


def test_files_that_hold_no_private_key_are_named(tmp_path: Path) -> None:
    """Text, a public key, another kind of key and one with a passphrase each have words of their own."""
    pair, path = make_pair(tmp_path), tmp_path / "wrong.pem"
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    locked = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
    assert "no private key" in refused_signer(path, b"secret text")
    assert "secret" not in refused_signer(path, b"secret text")
    assert "no private key" in refused_signer(path, pair.public.read_bytes())
    assert "another kind than Ed25519" in refused_signer(path, other)
    assert "passphrase" in refused_signer(path, locked)


def test_files_that_hold_no_public_keys_are_named(tmp_path: Path) -> None:
    """Also a private key among public ones, and one that is cut off, which would else be missed in silence."""
    pair, path = make_pair(tmp_path), tmp_path / "wrong.pem"
    public = pair.public.read_bytes()
    other = generate_private_key(SECP256R1()).public_key()
    foreign = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert "no whole PEM block" in refused_verifier(path, b"")
    assert "no whole PEM block" in refused_verifier(path, public[:-20])
    assert "cut off" in refused_verifier(path, public + public[:-20])
    assert "cut off" in refused_verifier(path, public[:-20] + public)
    assert "block 2 is a PRIVATE KEY" in refused_verifier(path, public + pair.private.read_bytes())
    assert "key 2 is of another kind" in refused_verifier(path, public + foreign)
    assert "key 1 cannot be read" in refused_verifier(path, public.replace(b"MCow", b"AAAA"))


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    """The words of the system are repeated."""
    for reader in (Signer, Verifier):
        for path, words in ((tmp_path / "none.pem", "No such file"), (tmp_path, "Is a directory")):
            with pytest.raises(SettingsError, match=words):
                reader(path)
