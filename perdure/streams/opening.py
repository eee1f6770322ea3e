"""Opens the streams that the settings name."""

from pathlib import Path

from perdure.keyring import Keyring
from perdure.settings import Settings, SettingsError
from perdure.streams.files import FileStreams
from perdure.streams.lines import Lines
from perdure.streams.ports import Streams
from perdure.streams.redis import RedisStreams

__all__ = ["streams_from"]

REDIS = ("redis://", "rediss://", "unix://")


def streams_from(settings: Settings) -> Streams:
    """The streams of the settings, without a call to them; SettingsError for a place that cannot be one.

    Where the settings have encryption keys, events are sealed.
    """
    place, keys = settings.stream_place, settings.encryption_keys
    lines = Lines(None if keys is None else Keyring.parse(keys.get_secret_value()))
    if place.startswith(REDIS):
        return RedisStreams(place, lines)
    if "://" in place or "\0" in place:
        # Not repeated: somebody may have written a password into it.
        raise SettingsError("PERDURE_STREAMS is no place for streams; valid is a folder, or redis://HOST:PORT/DB")
    folder = Path(place).expanduser().absolute()
    if settings.streams and folder.is_relative_to(settings.workspace):
        raise SettingsError(
            f"PERDURE_STREAMS {folder} lies in PERDURE_WORKSPACE {settings.workspace}: "
            "file tools could change what runs tell; choose a folder that does not"
        )
    return FileStreams(folder, lines)
