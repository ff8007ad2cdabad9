"""Who may ask: a request for this host, of the one kind that only reads, whose address begins with the token.

A name that an attacker's server resolves to 127.0.0.1 is not this host's, so no page of another site can reach this
server under its own name; and without the token it could not ask for anything.
"""

import hmac
import ipaddress
from collections.abc import Mapping

from sweepctl.ui.problem import Problem

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # addresses have the token
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def require_allowed(method: str, host: str, path: str, token: str, own_name: str) -> None:
    """Raise unless a request may be answered.

    Args:
        method: Of HTTP.
        host: The header `Host`.
        path: The path, decoded.
        token: The one of this server.
        own_name: The host that the server was told to listen on.

    Raises:
        Problem: it may not.
    """
    if not is_own_host(host, own_name):
        remedy = f"{ADDRESS} In it, the IP address of this machine may stand for its name."
        raise Problem(421, f"This server does not answer for the host {host[:100]!r}.", remedy)
    first, _, _ = path.removeprefix("/").partition("/")
    if not hmac.compare_digest(first.encode(), token.encode()):
        raise Problem(403, "The address lacks this server's token.", ADDRESS)
    if method != "GET":
        raise Problem(405, "These pages are only read: the one method is GET.")


ADDRESS = "Use the address that `sweepctl ui` printed: each start has a token of its own."


def is_own_host(host: str, own_name: str) -> bool:
    """Return whether a `Host` is this machine's address, `localhost`, or the name that the server was told."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    if name in {"localhost", own_name}:
        return True
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
