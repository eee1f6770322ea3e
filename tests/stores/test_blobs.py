"""The blob store: stored once, private when there are keys, readable over a change of keys, checked when read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.domain.errors import BlobMissing, KeyUnknown, Tampered, WrongKey
from perdure.keyring import Key, Keyring
from perdure.stores.blobs import BlobStore, ObjectStore
from perdure.stores.objects import Objects
from tests.codec.samples import Memory, ring
from tests.stores.places import bucket_server, in_bucket

RINGS = pytest.mark.parametrize("keyring", [None, ring("a")], ids=["plain", "sealed"])
TEXT = b"a secret that is written down " * 50


@settings(deadline=None)
@given(data=st.binary(max_size=5000), keyring=st.sampled_from([None, ring("a")]))
async def test_content_comes_back_and_is_stored_once(data: bytes, keyring: Keyring | None) -> None:
    """The address is made from the content, in every process alike."""
    objects = Memory()
    address = await BlobStore(objects, keyring).put(data)
    assert await BlobStore(objects, keyring).put(data) == address
    assert len(address) == 40
    assert objects.puts == 1
    assert await BlobStore(objects, keyring).get(address) == data


@RINGS
async def test_large_content_comes_back(tmp_path: Path, keyring: Keyring | None) -> None:
    """Forty megabytes, in a real folder."""
    store = BlobStore(Objects.at(str(tmp_path)), keyring)
    data = b"0123456789abcdef" * (40 * 65536)
    assert await store.get(await store.put(data)) == data


async def test_a_bucket_is_as_good_as_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content and documents over real HTTP, sealed."""
    with bucket_server() as address:
        store = BlobStore(Objects.at(in_bucket(monkeypatch, address, tmp_path)), ring("a"))
        blob = await store.put(TEXT)
        assert await store.put(TEXT) == blob
        assert await store.get(blob) == TEXT
        with pytest.raises(BlobMissing, match=r"there is no blob a+ in s3://"):
            await store.get("a" * 40)
        await store.write_document("name", b"one")
        assert await store.read_document("name") == b"one"
        await store.delete_document("name")
        assert await store.read_document("name") is None


async def test_without_keys_the_address_is_the_hash_of_the_content_and_the_file_a_zstd_frame() -> None:
    """Anybody can check and read it with usual tools."""
    objects = Memory()
    address = await BlobStore(objects).put(b"content")
    assert address == "ed7002b439e9ac845f22357d822bac1444730fbd"
    assert objects.blob() == f"blobs/ed/{address}"
    assert objects.content[objects.blob()].startswith(b"\x28\xb5\x2f\xfd")


async def test_with_keys_neither_content_nor_address_says_anything() -> None:
    """Nobody without the key can read it, or test a guess of the content."""
    objects = Memory()
    address = await BlobStore(objects, ring("a")).put(b"content")
    assert address != await BlobStore(Memory()).put(b"content")
    assert address != await BlobStore(Memory(), ring("b")).put(b"content")
    await BlobStore(objects, ring("a")).put(TEXT)
    assert b"secret" not in b"".join(objects.content.values())


async def test_older_blobs_are_read_after_a_change_of_keys() -> None:
    """Under the address that was recorded, whatever the first key is now, and also from before there were keys."""
    objects = Memory()
    plain = await BlobStore(objects).put(b"plain")
    old = await BlobStore(objects, ring("a")).put(b"old")
    rotated = BlobStore(objects, ring("b", "a"))
    assert [await rotated.get(plain), await rotated.get(old)] == [b"plain", b"old"]
    with pytest.raises(KeyUnknown, match=f"the blob {old} in memory was encrypted under key 'a'"):
        await BlobStore(objects, ring("b")).get(old)
    with pytest.raises(KeyUnknown, match="not set"):
        await BlobStore(objects).get(old)
    with pytest.raises(WrongKey):
        await BlobStore(objects, Keyring((Key("a", b"x" * 32),))).get(old)


async def test_new_content_is_sealed_with_the_new_key_though_the_old_has_it() -> None:
    """Or it would be lost when the old key is removed."""
    objects = Memory()
    await BlobStore(objects, ring("a")).put(b"content")
    address = await BlobStore(objects, ring("b", "a")).put(b"content")
    assert await BlobStore(objects, ring("b")).get(address) == b"content"


@RINGS
async def test_a_changed_or_exchanged_blob_is_tampered(keyring: Keyring | None) -> None:
    """Also when another whole blob lies in its place."""
    objects = Memory()
    store = BlobStore(objects, keyring)
    address, other = await store.put(TEXT), await store.put(b"other")
    path, other_path = (f"blobs/{name[:2]}/{name}" for name in (address, other))
    for content in (objects.content[other_path], objects.content[path][:-1], b"", b"\0", b"x"):
        objects.content[path] = content
        with pytest.raises(Tampered):
            await store.get(address)


async def test_a_plain_blob_in_the_place_of_a_sealed_one_is_tampered() -> None:
    """Whoever may write to the store cannot put words into a run's mouth."""
    objects = Memory()
    store = BlobStore(objects, ring("a"))
    address = await store.put(b"content")
    forger = Memory()
    await BlobStore(forger).put(b"forged")
    objects.content[objects.blob()] = forger.content[forger.blob()]
    with pytest.raises(Tampered, match="does not hold the content that its address was made from"):
        await store.get(address)


async def test_a_missing_blob_says_which_and_where(tmp_path: Path) -> None:
    """The usual reason is a process that looks at another store."""
    store = BlobStore(Objects.at(str(tmp_path)))
    with pytest.raises(BlobMissing, match=rf"there is no blob {'a' * 40} in {tmp_path}; .*PERDURE_BLOBS"):
        await store.get("a" * 40)


@pytest.mark.parametrize("address", ["", "../../etc/passwd", "A" * 40, "a" * 39, "a" * 41])
async def test_what_is_no_address_is_refused(address: str) -> None:
    """Addresses come from models and histories."""
    with pytest.raises(BlobMissing, match="40 hex digits"):
        await BlobStore(Memory()).get(address)


async def test_putting_again_makes_an_old_blob_young() -> None:
    """Clean-up goes by age, and what is stored again is in use; what is young is left alone."""
    objects = Memory()
    store = BlobStore(objects)
    await store.put(b"content")
    path, young = objects.blob(), datetime.now(UTC) - timedelta(minutes=1)
    objects.times[path] = young
    await store.put(b"content")
    assert objects.times[path] == young
    objects.times[path] = young - timedelta(days=1)
    await store.put(b"content")
    assert objects.times[path] > young
    assert objects.puts == 1


@RINGS
async def test_a_document_is_replaced_read_and_deleted(keyring: Keyring | None) -> None:
    """It has a name instead of an address."""
    store = BlobStore(Memory(), keyring)
    assert await store.read_document("session/42") is None
    await store.write_document("session/42", b"one")
    await store.write_document("session/42", b"two")
    await store.write_document("session/43", b"other")
    assert await store.read_document("session/42") == b"two"
    await store.delete_document("session/42")
    await store.delete_document("session/42")
    assert await store.read_document("session/42") is None
    assert await store.read_document("session/43") == b"other"


async def test_neither_name_nor_content_of_a_document_can_be_read_without_the_key() -> None:
    """Nor can a name be guessed."""
    objects, plain = Memory(), Memory()
    await BlobStore(objects, ring("a")).write_document("session/42", TEXT)
    await BlobStore(plain).write_document("session/42", TEXT)
    everything = b"".join(name.encode() + content for name, content in objects.content.items())
    assert b"42" not in everything.split(b"\0")[0] or b"session" not in everything
    assert b"secret" not in everything
    assert objects.content.keys().isdisjoint(plain.content)


async def test_a_document_survives_a_change_of_keys_and_leaves_no_older_self() -> None:
    """It is found under the hash of the older key, and written under that of the first."""
    objects = Memory()
    await BlobStore(objects).write_document("name", b"plain")
    assert await BlobStore(objects, ring("a")).read_document("name") == b"plain"
    await BlobStore(objects, ring("a")).write_document("name", b"old")
    rotated = BlobStore(objects, ring("b", "a"))
    assert await rotated.read_document("name") == b"old"
    await rotated.write_document("name", b"new")
    assert await BlobStore(objects, ring("b")).read_document("name") == b"new"
    assert len(objects.content) == 1


def test_the_object_store_is_what_blobs_need(tmp_path: Path) -> None:
    """The twin in memory and the real one have the same shape."""
    stores: list[ObjectStore] = [Memory(), Objects.at(str(tmp_path))]
    assert [store.where for store in stores] == ["memory", str(tmp_path)]
