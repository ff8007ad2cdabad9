"""Opens a store by its URL: a local directory's path, or `s3://bucket/prefix`."""

import os
import re
from pathlib import Path

from sweepctl.errors import UsageError
from sweepctl.store.contract import Store
from sweepctl.urls import refuse_password

DEFAULT_STORE = "./sweep-results"
_S3 = re.compile(r"s3://(?P<bucket>[A-Za-z0-9._-]{3,63})(?:/(?P<prefix>.*))?")
# The characters that AWS calls safe: a prefix is the same in every tool and never needs quoting.
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()=-]+(?:/[A-Za-z0-9!_.*'()=-]+)*")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_REMEDY = "Give a directory, or s3://bucket/prefix."


def open_store(url: str, *, endpoint_url: str | None = None, region: str | None = None) -> Store:
    """Open the store at `url`, a directory's path or `s3://bucket/prefix`; nothing is read or written yet.

    Args:
        url: Where results are kept. A local directory need not exist.
        endpoint_url: An S3 server other than AWS. Default: boto3's own settings. Ignored for a directory.
        region: The bucket's region. Default: boto3's own settings. Ignored for a directory.

    Raises:
        UsageError: `url` is not a store's URL, the endpoint is not a URL, or one of them has a password.
        StoreError: boto3's settings cannot be used.
    """
    place = place_in_s3(url)
    if place is None:
        return _open_local(url)
    # boto3 takes longer to import than the rest of a command: only users of S3 wait for it.
    from sweepctl.store.s3 import open_s3  # noqa: PLC0415

    return open_s3(*place, endpoint_url=endpoint_url, region=region)


def place_in_s3(url: str) -> tuple[str, str] | None:
    """Return bucket and prefix of the store at `url`, or None for a directory's path.

    Raises:
        UsageError: `url` is not a store's URL.
    """
    if not _SCHEME.match(url):
        return None
    refuse_password(url, "the store")
    match = _S3.fullmatch(url)
    if match is None:
        hint = "A bucket's name has 3 to 63 characters." if url.startswith("s3://") else f"A directory: ./{url}"
        raise UsageError(f"not a store: {url!r}", remedy=f"{_REMEDY} {hint}")
    prefix = (match["prefix"] or "").rstrip("/")
    if prefix and (not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/"))):
        raise UsageError(
            f"{url!r}: tools disagree on how to read this prefix",
            remedy="Use letters, digits and !_.*'()=- between single slashes.",
        )
    return match["bucket"], prefix


def _open_local(url: str) -> Store:
    from sweepctl.store.local import LocalStore  # noqa: PLC0415 - as above, the other way round

    if not url or "\0" in url:
        raise UsageError("the store's name is empty or has a NUL character", remedy=_REMEDY)
    url = os.path.expanduser(url)  # `~/` in a variable or in Python, where no shell has expanded it
    try:
        Path(url).absolute().as_posix().encode()
    except UnicodeEncodeError:
        raise UsageError(f"{url}: not a name in UTF-8, which Arrow needs", remedy=_REMEDY) from None
    return LocalStore(url)
