"""A person who reads along in a chat: their own question is not repeated, and the reply is shown once."""

from perdure.cli.listeners import Person
from perdure.cli.output import Output
from perdure.domain.messages import Message

__all__ = ["ChatPerson"]


class ChatPerson(Person):
    """Like Person. The reply to the person's own question is left to whoever asked it; those to others are shown."""

    def __init__(self, out: Output) -> None:
        """Write there."""
        super().__init__(out)
        self._asked: tuple[str, str] = ("", "")
        self._own = False

    def asking(self, message_id: str, text: str) -> None:
        """The person has asked this."""
        self._asked = (message_id, text)

    def answered(self) -> None:
        """The reply is known, and will be shown: forget it here, but not what was said to others since."""
        if self._own:
            self._held = []
        self._own = False
        self._release()

    def released(self) -> None:
        """Show what was held back."""
        self._release()

    def message(self, workflow_id: str, label: str, message: Message) -> None:
        """See Listener."""
        if message.kind == "user" and not label:
            self._release()
            self._own = message.id == self._asked[0] or (not message.id and message.text == self._asked[1])
            if self._own:
                return
        super().message(workflow_id, label, message)
