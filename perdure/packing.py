"""A payload in as few bytes as we know how: what is usual is left out, the rest is compressed when that helps."""

import threading
from functools import cache
from pathlib import Path

import zstandard
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload

from perdure.compression import compress, expand
from perdure.domain.errors import Tampered

__all__ = ["PACKED", "pack", "unpack"]

PACKED = b"perdure/zstd"
"""Encoding of a payload whose data is `pack` of another."""

COMPRESSED = 1
JSON = 2
"""The data alone was packed: its metadata are those of nearly every payload."""
KNOWN_WORDS = 4
"""Compressed with the vocabulary, without which it cannot be expanded."""

SMALL = 64 * 1024
"""Bytes below which the vocabulary helps. Most payloads have about a thousand, too few to repeat themselves."""
LEVEL = 6

VOCABULARY = Path(__file__).with_name("vocabulary.txt").read_bytes()
"""Words and JSON that payloads are likely to hold. It may never change: what was packed with it needs it for ever."""

JSON_METADATA = {"encoding": b"json/plain"}


def pack(payload: Payload) -> bytes:
    """One byte that says how to read the rest, and the rest."""
    bare = len(payload.metadata) == 1 and payload.metadata.get("encoding") == JSON_METADATA["encoding"]
    # Equal payloads have to give equal bytes, or content would be stored twice.
    whole = payload.data if bare and not payload.external_payloads else payload.SerializeToString(deterministic=True)
    flags = JSON if bare and not payload.external_payloads else 0
    known = KNOWN_WORDS if len(whole) < SMALL else 0
    squeezed = _tools().compressor.compress(whole) if known else compress(whole)
    if len(squeezed) < len(whole):
        return bytes([flags | COMPRESSED | known]) + squeezed
    return bytes([flags]) + whole


def unpack(data: bytes, *, what: str) -> Payload:
    """The payload that was packed; raises Tampered, naming it as `what`, for anything else."""
    if not data or data[0] > COMPRESSED | JSON | KNOWN_WORDS:
        raise Tampered(f"{what} is not what was packed")
    whole = data[1:]
    if data[0] & COMPRESSED:
        whole = expand(whole, what=what, by=_tools().decompressor if data[0] & KNOWN_WORDS else None)
    if data[0] & JSON:
        return Payload(metadata=JSON_METADATA, data=whole)
    try:
        return Payload.FromString(whole)
    except DecodeError:
        raise Tampered(f"{what} does not hold a payload") from None


class _Tools(threading.local):
    """Compressor and decompressor of one thread: making them costs more than a small payload."""

    def __init__(self) -> None:
        words = zstandard.ZstdCompressionDict(VOCABULARY, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        self.compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=words, write_content_size=True)
        self.decompressor = zstandard.ZstdDecompressor(dict_data=words)


@cache
def _tools() -> _Tools:
    return _Tools()
