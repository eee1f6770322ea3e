"""The payload chain: what comes out is what went in, small and private, and nothing else comes out."""

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.converter import ActivitySerializationContext, NexusSerializationContext, WorkflowSerializationContext

from perdure.domain.errors import KeyUnknown, Tampered, WrongKey
from perdure.keyring import Key, Keyring
from perdure.packing import VOCABULARY
from perdure.sealing import SEALED
from tests.codec.samples import NAMESPACE, chain, json_payload, ring

PAYLOADS = st.builds(
    Payload,
    metadata=st.dictionaries(st.sampled_from(["encoding", "messageType", "x"]), st.binary(max_size=20)).filter(
        lambda found: not found.get("encoding", b"").startswith(b"perdure/")
    ),
    data=st.one_of(st.binary(max_size=2000), st.text(max_size=50).map(lambda text: text.encode() * 40)),
)
ENGLISH = b'{"text":"The quick brown fox jumps over the lazy dog and runs into the wood, where the other foxes are."}'


PROSE = (
    "When the keeper of the lighthouse came down in the morning he found that the storm had carried away his boat, and "
    "with it the ropes, two barrels of lamp oil and the little stove on which he used to dry his boots. He did not "
    "complain. There was bread for nine days, the cistern was full, and somebody on the mainland would notice sooner "
    "or later that no smoke rose from the chimney. So he sat on the step, mended a net that nobody needed, and counted "
    "the gulls which came to look at him. By noon the sea was flat as slate. A schooner passed far out, too far to see "
    "a man waving his shirt, but near enough for him to read her rigging and to guess that she was bound for the north "
    "with timber. In the evening he lit the lamp as he had done for eleven years, wrote the weather into the book, and "
    "went to bed without undressing, because something in the silence told him that the wind had only gone to fetch "
    "its brothers, and that before dawn the whole quarrel would begin again from the other side of the rock."
)


@given(payloads=st.lists(PAYLOADS, max_size=3), keyring=st.sampled_from([None, ring("a")]), compression=st.booleans())
async def test_every_payload_comes_back(payloads: list[Payload], keyring: Keyring | None, *, compression: bool) -> None:
    """Whatever a payload is, also one that is not JSON, under any settings."""
    codec = chain(keyring, compression=compression)
    encoded = await codec.encode(payloads)
    assert await codec.decode(encoded) == payloads


async def test_without_settings_payloads_stay_as_they_are() -> None:
    """A history of plain JSON stays one."""
    payload = json_payload(ENGLISH * 10)
    assert await chain().encode([payload]) == [payload]


async def test_compression_is_kept_only_when_it_helps() -> None:
    """A small payload stays as it is, a large one of English text shrinks."""
    small, large = json_payload(b'"ok"'), json_payload(ENGLISH * 20)
    encoded = await chain(compression=True).encode([small, large])
    assert encoded[0] == small
    assert encoded[1].metadata["encoding"] == b"perdure/zstd"
    assert encoded[1].ByteSize() < large.ByteSize() / 5
    assert await chain().decode(encoded) == [small, large]


async def test_encryption_costs_few_bytes_and_compresses_first() -> None:
    """Ten thousand turns carry it in every payload."""
    small, large = json_payload(b'"ok"'), json_payload(ENGLISH * 20)
    encoded = await chain(ring("a")).encode([small, large])
    assert encoded[0].ByteSize() - small.ByteSize() <= 50
    assert encoded[1].ByteSize() < large.ByteSize() / 5
    assert b"quick" not in encoded[1].SerializeToString()


async def test_plain_input_is_accepted_with_encryption_on() -> None:
    """The `temporal` CLI signals in plain JSON."""
    payload = json_payload(b'{"request_id":"r"}')
    assert await chain(ring("a")).decode([payload]) == [payload]


async def test_rotation_and_the_three_errors() -> None:
    """An older key still opens; removed, replaced and changed are told apart."""
    encoded = await chain(ring("a")).encode([json_payload(b"1")])
    assert await chain(ring("b", "a")).decode(encoded) == [json_payload(b"1")]
    with pytest.raises(KeyUnknown, match="'a'"):
        await chain(ring("b")).decode(encoded)
    with pytest.raises(KeyUnknown, match="not set"):
        await chain().decode(encoded)
    with pytest.raises(WrongKey):
        await chain(Keyring((Key("a", b"x" * 32),))).decode(encoded)
    changed = Payload(metadata={"encoding": SEALED}, data=encoded[0].data[:-1] + b"\0")
    with pytest.raises(Tampered):
        await chain(ring("a")).decode([changed])


@pytest.mark.parametrize(("run", "namespace"), [("run-2", NAMESPACE), ("run-1", "other"), ("default", "run-1")])
async def test_a_payload_opens_only_in_its_own_run(run: str, namespace: str) -> None:
    """Somebody who may write to the database could otherwise show one run the content of another."""
    encoded = await chain(ring("a")).encode([json_payload(b"1")])
    with pytest.raises(Tampered, match="moved here from another run or namespace"):
        await chain(ring("a"), run=run, namespace=namespace).decode(encoded)
    relabelled = await chain(ring("a"), run=run, namespace=namespace).encode([json_payload(b"2")])
    forged = Payload(metadata={"encoding": SEALED}, data=relabelled[0].data[:10] + encoded[0].data[10:])
    with pytest.raises(Tampered):
        await chain(ring("a"), run=run, namespace=namespace).decode([forged])


async def test_the_activities_of_a_run_belong_to_it() -> None:
    """What a workflow gives its activity is opened there, and what has no run stays without one."""
    encoded = await chain(ring("a")).encode([json_payload(b"1")])
    context = ActivitySerializationContext(
        namespace=NAMESPACE,
        workflow_id="run-1",
        workflow_type="Agent",
        activity_type="llm.reply",
        activity_id="1",
        activity_task_queue="perdure",
        is_local=False,
    )
    bare = chain(ring("a"), run=None)
    assert await bare.with_context(context).decode(encoded) == [json_payload(b"1")]
    assert bare.with_context(NexusSerializationContext(endpoint="e", service="s", operation="o")) == bare


async def test_the_arguments_of_a_schedule_are_opened_by_the_runs_it_starts() -> None:
    """Temporal encodes them for the id in the schedule and adds the time of each start to it."""
    encoded = await chain(ring("a"), run="nightly").encode([json_payload(b"1")])
    started = chain(ring("a"), run="nightly-2026-11-21T08:00:00Z")
    assert await started.decode(encoded) == [json_payload(b"1")]
    with pytest.raises(Tampered):
        await chain(ring("a"), run="nightly-x").decode(encoded)
    own = await started.encode([json_payload(b"2")])
    with pytest.raises(Tampered):
        await chain(ring("a"), run="nightly").decode(own)


async def test_the_codec_server_takes_the_word_of_a_payload() -> None:
    """It knows no run; what is changed is noticed there too."""
    encoded = await chain(ring("a")).encode([json_payload(b"1")])
    assert await chain(ring("a"), run=None).decode(encoded) == [json_payload(b"1")]
    moved = Payload(metadata={"encoding": SEALED}, data=b"0123456789" + encoded[0].data[10:])
    with pytest.raises(Tampered):
        await chain(ring("a"), run=None).decode([moved])


@pytest.mark.parametrize("data", [b"", b"\x08x", b"\x01x", b"\x05x", b"\x00\xff"])
async def test_a_packed_payload_that_is_broken_has_words(data: bytes) -> None:
    """No error of a library reaches the user."""
    with pytest.raises(Tampered):
        await chain().decode([Payload(metadata={"encoding": b"perdure/zstd"}, data=data)])


def test_the_vocabulary_never_changes() -> None:
    """What was packed with it could never be read again."""
    assert sha256(VOCABULARY).hexdigest() == "67fe474b038491bd36a9649a3184fef7f0b8af1f2afa9ae00ccd6aa6a5a95eda"


async def test_a_small_text_shrinks_by_half_though_it_repeats_nothing() -> None:
    """A thousand characters of English that say nothing twice."""
    text = json.dumps({"kind": "tool_result", "outcome": {"text": PROSE}}).encode()
    [encoded] = await chain(compression=True).encode([json_payload(text)])
    assert encoded.ByteSize() < 0.55 * len(text)


def test_workflow_context_of_another_type_is_the_same_place() -> None:
    """The place is namespace and workflow id, whoever asks."""
    context = WorkflowSerializationContext(namespace=NAMESPACE, workflow_id="run-1")
    assert chain(ring("a"), run=None).with_context(context).places == chain(ring("a")).places
