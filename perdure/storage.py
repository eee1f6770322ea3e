"""Where content lies and who can read it, made from the settings: blob store, keys, compression."""

from dataclasses import dataclass

from perdure.domain.errors import ConfigurationError
from perdure.dotenv import SettingsError
from perdure.keyring import Keyring
from perdure.settings import Settings
from perdure.stores.blobs import BlobStore
from perdure.stores.objects import Objects

__all__ = ["Storage", "storage_from"]


@dataclass(frozen=True)
class Storage:
    """What clients and workers that work on the same runs must have in common."""

    blobs: BlobStore
    keyring: Keyring | None = None
    compression: bool = False


def storage_from(settings: Settings) -> Storage:
    """Open the blob store of the settings, without a call to it; SettingsError for a place that cannot be one."""
    keys = settings.encryption_keys
    keyring = Keyring.parse(keys.get_secret_value()) if keys is not None else None
    try:
        objects = Objects.at(settings.blob_place)
    except ConfigurationError as error:
        raise SettingsError(f"PERDURE_BLOBS: {error.message}") from None
    return Storage(BlobStore(objects, keyring), keyring, settings.compression == "zstd")
