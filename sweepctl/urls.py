"""URLs with a password in them: a store, a queue and an endpoint have none, and no other one is shown."""

import re

from sweepctl.errors import UsageError

# All that may precede the last @ of a URL, well-formed or not.
_USER_AND_PASSWORD = re.compile(r'[^\s"]*:[^\s"]*@')


def refuse_password(url: str, name: str) -> None:
    """Refuse a URL with a user name or password, without showing it; `name` is what it is the URL of.

    Neither has a use: requests are signed with boto3's credentials. In a URL they would reach errors, logs and servers.

    Raises:
        UsageError: there is an @ in `url`.
    """
    if "@" in url:
        raise UsageError(
            f"the URL of {name} has a user name or password, or another @",
            remedy="Remove it: credentials come only from boto3's own chain, for instance AWS_PROFILE.",
        )


def without_password(text: str) -> str:
    """Return a library's text with *** for the user name and password of each URL, for instance a proxy's."""
    return _USER_AND_PASSWORD.sub("***@", text)
