"""Opens the two kinds of places for objects, and puts what the library says about them into words."""

import os
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import S3Store

from perdure.domain.errors import ConfigurationError

__all__ = ["KEY", "S3", "SECONDS", "in_words", "open_bucket", "open_folder"]

S3 = "s3://"
SECONDS = 10.0
"""How long an operation may take, besides the time for its bytes."""
_PART = r"(?!\.+(?:/|$))[\w.=@:+~-]+"
KEY = re.compile(f"{_PART}(/{_PART})*", re.ASCII)
"""What names an object: parts parted by slashes, none of them dots alone."""

RETRIES = 2
FOLDER_MODE = 0o700
MAX_WORDS = 300
VALID = "a folder, or s3://BUCKET/PREFIX"
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
ENDPOINT = re.compile(r"https?://([\w.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?(/[\w./-]*)?", re.ASCII)
NO_CREDENTIALS = "169.254.169.254"
"""Where the library asks for credentials when the environment has none: a service of Amazon's machines."""


def open_folder(place: str) -> Path:
    """Make the folder when it is missing, for its owner only; ConfigurationError when it cannot be one."""
    if not place.strip() or "://" in place or "\0" in place:
        raise ConfigurationError(f"{place!r} is not a place for blobs; valid is {VALID}")
    folder = Path(place).expanduser().absolute()
    try:
        folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot hold blobs: {error.strerror}; name {VALID}") from error
    return folder


def open_bucket(place: str) -> S3Store:
    """Open `s3://bucket/prefix` with the AWS_ variables; ConfigurationError for what cannot be meant."""
    parts = urlsplit(place)
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", parts.netloc) or parts.query or parts.fragment:
        # The place is not repeated: somebody may have written a secret into it.
        raise ConfigurationError(
            "a place of blobs that begins with s3:// has to be s3://BUCKET/PREFIX and nothing more"
        )
    prefix = parts.path.strip("/")
    if prefix and not KEY.fullmatch(prefix):
        raise ConfigurationError(f"{place!r}: the prefix may have letters, digits and ._=@:+~- between slashes")
    endpoint = _endpoint()
    plain = endpoint is not None and endpoint.startswith("http://")
    try:
        return S3Store(
            parts.netloc,
            prefix=prefix or None,
            config={"endpoint": endpoint} if endpoint else None,
            # The bound of a whole operation is ours, see `Objects`: it knows the size.
            client_options={"allow_http": plain, "connect_timeout": "3s", "timeout": "10m"},
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=SECONDS)},
        )
    except (BaseError, ValueError) as error:
        raise ConfigurationError(f"{place} cannot be used as a place of blobs: {in_words(error)}") from None


def in_words(error: Exception) -> str:
    """First paragraph of the library's message, without the XML of the server around its words."""
    text = re.sub(r"<[^>]*>", " ", str(error).split("\n\nDebug", 1)[0])
    if NO_CREDENTIALS in text:
        return "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    return " ".join(text.split())[:MAX_WORDS] or type(error).__name__


def _endpoint() -> str | None:
    """Address of the server, when it is not Amazon's."""
    name = next((name for name in ENDPOINTS if os.environ.get(name)), None)
    if name is None:
        return None
    if not ENDPOINT.fullmatch(os.environ[name]):
        # Not repeated: somebody may have written a password into it. The library would panic over it.
        raise ConfigurationError(f"{name} has to be http://HOST:PORT or https://HOST:PORT")
    return os.environ[name]
