"""What a reader has of the texts of a run after the events so far: resets applied, nothing twice."""

from dataclasses import dataclass, field

from perdure.domain.events import StreamEvent

__all__ = ["Segment", "Texts"]


@dataclass
class Segment:
    """One answer as far as it is known; `run` is the run that gave it, `ended` that it is whole."""

    epoch: int = 0
    run: str = ""
    pieces: list[str] = field(default_factory=list[str])
    ended: bool = False

    @property
    def text(self) -> str:
        """Its text so far."""
        return "".join(self.pieces)


class Texts:
    """Applies events in order. An attempt that was given up may still write: its pieces are passed over."""

    def __init__(self) -> None:
        """Nothing has been read yet."""
        self.segments: dict[str, Segment] = {}

    def apply(self, event: StreamEvent) -> bool:
        """Take one event; whether it counts: False for one of an attempt that has been given up."""
        if event.kind == "segment.reset" and not event.segment:
            self.segments = {name: each for name, each in self.segments.items() if each.ended}
            return True
        if event.kind not in ("segment.start", "segment.reset", "segment.end", "text"):
            return True
        known = self.segments.get(event.segment)
        run = str(event.data.get("run_id", "")) or (known.run if known else "")
        if known and known.run == run and event.epoch < known.epoch:
            return False
        if event.kind in ("segment.start", "segment.reset") or known is None or event.epoch > known.epoch:
            known = self.segments[event.segment] = Segment(event.epoch, run)
        if event.kind == "text":
            known.pieces.append(event.text)
        if event.kind == "segment.end":
            known.ended = True
            if not event.data.get("cut"):
                known.pieces = [event.text]
        return True

    def text(self, segment: str) -> str:
        """Text of a segment so far."""
        known = self.segments.get(segment)
        return known.text if known else ""
