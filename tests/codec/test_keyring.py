"""Keys: how they are written, and which of three errors says that something cannot be opened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.domain.errors import KeyUnknown, Tampered, WrongKey
from perdure.keyring import Key, Keyring, open_sealed
from tests.codec.samples import key_setting, ring


@given(data=st.binary(max_size=3000), place=st.binary(max_size=50))
def test_what_is_sealed_opens_at_its_place_only(data: bytes, place: bytes) -> None:
    """Any content comes back whole, and at any other place it is Tampered."""
    sealed = ring("a").seal("payload", data, place)
    assert open_sealed(ring("a"), "payload", sealed, place, what="it") == data
    with pytest.raises(Tampered, match="moved here from another place"):
        open_sealed(ring("a"), "payload", sealed, place + b"x", what="it")
    with pytest.raises(Tampered):
        open_sealed(ring("a"), "blob", sealed, place, what="it")


def test_every_changed_byte_is_noticed() -> None:
    """Whatever byte is changed, one of the three errors says so."""
    sealed = ring("a").seal("payload", b"content", b"here")
    for position in range(len(sealed)):
        changed = sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :]
        with pytest.raises((KeyUnknown, WrongKey, Tampered)):
            open_sealed(ring("a"), "payload", changed, b"here", what="it")


@given(length=st.integers(min_value=0, max_value=40))
def test_what_is_cut_short_is_tampered(length: int) -> None:
    """Also nothing at all has words."""
    with pytest.raises(Tampered):
        open_sealed(ring("a"), "payload", ring("a").seal("payload", b"content", b"")[:length], b"", what="it")


def test_keys_are_rotated_without_downtime() -> None:
    """The first key seals, older ones still open; one that was removed is named."""
    old = ring("a").seal("blob", b"content", b"")
    assert open_sealed(ring("b", "a"), "blob", old, b"", what="it") == b"content"
    with pytest.raises(KeyUnknown, match=r"it was encrypted under key 'a'; PERDURE_ENCRYPTION_KEYS has b"):
        open_sealed(ring("b"), "blob", old, b"", what="it")
    with pytest.raises(KeyUnknown, match="PERDURE_ENCRYPTION_KEYS is not set"):
        open_sealed(None, "blob", old, b"", what="it")
    new = ring("b", "a").seal("blob", b"content", b"")
    with pytest.raises(KeyUnknown, match="key 'b'"):
        open_sealed(ring("a"), "blob", new, b"", what="it")


def test_another_key_under_the_same_id_is_a_wrong_key() -> None:
    """It is not the same as changed data: nobody has to look for an attacker."""
    other = Keyring((Key("a", b"x" * 32),))
    with pytest.raises(WrongKey, match="another key than the one PERDURE_ENCRYPTION_KEYS has for 'a'"):
        open_sealed(other, "blob", ring("a").seal("blob", b"content", b""), b"", what="it")


def test_equal_content_looks_different_each_time() -> None:
    """Nobody can tell from sealed content that it is the same."""
    assert len({ring("a").seal("blob", b"content", b"") for _ in range(100)}) == 100


def test_keys_are_not_shown() -> None:
    """A ring may end up in an error or a log."""
    assert "aaaa" not in repr(ring("a"))
    assert "id='a'" in repr(ring("a"))


SECRET = key_setting("a").split(":")[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" , ", "it holds no key"),
        (SECRET, "item 1 has no colon"),
        (f"a:{SECRET},{SECRET}", "item 2 has no colon"),
        (f"a b:{SECRET}", "item 1 has no valid id"),
        (f"{'i' * 33}:{SECRET}", "item 1 has no valid id"),
        (f"a:{SECRET},a:{SECRET}", "item 2 has the id of item 1"),
        (f"a:{SECRET},b:{SECRET}!", r"item 2 \(id b\) is not base64"),
        ("a:YWFhYWFhYWFh", r"item 1 \(id a\) has 9 bytes instead of 32"),
        ("a:", r"item 1 \(id a\) has 0 bytes instead of 32"),
    ],
)
def test_a_wrong_list_of_keys_is_explained_without_the_keys(text: str, words: str) -> None:
    """Which item, what is wrong, what would be valid."""
    with pytest.raises(ValueError, match=f"{words}.*write id:key,id:key") as caught:
        Keyring.parse(text)
    assert SECRET[:12] not in str(caught.value)
    assert "YWFh" not in str(caught.value)


def test_base64_for_file_names_is_accepted() -> None:
    """Some tools write - and _ for + and /."""
    assert Keyring.parse("a:" + "-_-_" * 10 + "-_8=").first.secret == b"\xfb\xff\xbf" * 10 + b"\xfb\xff"
