"""Events of runs for readers: published by workers beside the runs, never part of a run's own history."""

from perdure.streams.hub import Hub
from perdure.streams.opening import streams_from
from perdure.streams.ports import SILENT, Events, Streams
from perdure.streams.view import Texts
from perdure.streams.writer import StreamWriter

__all__ = ["SILENT", "Events", "Hub", "StreamWriter", "Streams", "Texts", "streams_from"]
