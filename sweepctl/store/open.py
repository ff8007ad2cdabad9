"""Opens a store by its URL: a local directory's path, or `s3://bucket/prefix`."""

import re

from sweepctl.errors import UsageError
from sweepctl.store.contract import Store

_S3 = re.compile(r"s3://(?P<bucket>[A-Za-z0-9._-]{3,63})(?:/(?P<prefix>.*))?")
# What AWS calls safe, so that a prefix is the same in every tool and never needs quoting.
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()=-]+(?:/[A-Za-z0-9!_.*'()=-]+)*")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_REMEDY = "Give a directory, or s3://bucket/prefix."


def open_store(url: str, *, endpoint_url: str | None = None, region: str | None = None) -> Store:
    """Open the store at `url`, a directory's path or `s3://bucket/prefix`; nothing is read or written yet.

    Args:
        url: Where results are kept. A local directory need not exist.
        endpoint_url: An S3 server other than AWS. Without it, boto3's own settings hold. No matter locally.
        region: The bucket's region. Without it, boto3's own settings hold. No matter locally.

    Raises:
        UsageError: `url` names no store, or the endpoint is no URL.
        StoreError: boto3's settings cannot be used.
    """
    place = place_in_s3(url)
    if place is None:
        return _open_local(url)
    # boto3 takes longer to import than all the rest of a command: only who uses S3 waits for it.
    from sweepctl.store.s3 import open_s3  # noqa: PLC0415

    return open_s3(*place, endpoint_url=endpoint_url, region=region)


def place_in_s3(url: str) -> tuple[str, str] | None:
    """Return bucket and prefix of the store at `url`, or None for a directory's path.

    Raises:
        UsageError: `url` names no store.
    """
    if not _SCHEME.match(url):
        return None
    match = _S3.fullmatch(url)
    if match is None:
        hint = "A bucket's name has 3 to 63 characters." if url.startswith("s3://") else f"A directory: ./{url}"
        raise UsageError(f"{url!r} is no store", remedy=f"{_REMEDY} {hint}")
    prefix = (match["prefix"] or "").rstrip("/")
    if prefix and (not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/"))):
        raise UsageError(
            f"{url!r}: this prefix is read differently by different tools",
            remedy="Use letters, digits and !_.*'()=- between single slashes.",
        )
    return match["bucket"], prefix


def _open_local(url: str) -> Store:
    from sweepctl.store.local import LocalStore  # noqa: PLC0415 - as above, the other way round

    if not url or "\0" in url:
        raise UsageError("the store has no name", remedy=_REMEDY)
    return LocalStore(url)
