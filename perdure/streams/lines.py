"""An event as bytes in a store and back: JSON, sealed where the settings have keys."""

import base64
import binascii

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from perdure.domain.errors import Tampered
from perdure.domain.events import StreamEvent
from perdure.keyring import Keyring, open_sealed

__all__ = ["Lines", "mended"]

SEALED = b"!"
"""First byte of a sealed line: no JSON begins so."""


class Lines:
    """Makes lines of events; each is bound to the workflow it belongs to."""

    def __init__(self, keyring: Keyring | None = None) -> None:
        """Seal with these keys; None: events lie as they are."""
        self._keyring = keyring

    def write(self, workflow_id: str, event: StreamEvent) -> bytes:
        """One line without its end."""
        line = _json(event)
        if self._keyring is None:
            return line
        return SEALED + base64.b64encode(self._keyring.seal("document", line, _place(workflow_id)))

    def read(self, workflow_id: str, line: bytes, offset: str) -> StreamEvent | None:
        """The event of a line, its offset set; None for one that a dying writer left torn.

        Raises KeyUnknown or WrongKey for what was sealed with keys that this process does not have.
        """
        try:
            if line.startswith(SEALED):
                sealed = base64.b64decode(line[1:], validate=True)
                what = f"the stream of {workflow_id}"
                line = open_sealed(self._keyring, "document", sealed, _place(workflow_id), what=what)
            event = StreamEvent.model_validate_json(line)
        except (ValidationError, Tampered, binascii.Error):
            return None
        return event.model_copy(update={"offset": offset})


def mended(text: str) -> str:
    """The text with halves of characters joined, and those without a second half replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _json(event: StreamEvent) -> bytes:
    left_out = {"offset"}
    try:
        return event.model_dump_json(exclude_defaults=True, exclude=left_out).encode()
    except PydanticSerializationError:
        # Half characters: a stream tells what it can instead of failing.
        plain = event.model_copy(update={"text": mended(event.text), "data": {}, "key": mended(event.key)})
        return plain.model_dump_json(exclude_defaults=True, exclude=left_out).encode()


def _place(workflow_id: str) -> bytes:
    return f"stream/{workflow_id}".encode()
