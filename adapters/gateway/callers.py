"""Who may call the gateway: bearer tokens and API keys; without any, programs of this machine."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import HttpVersion11, hdrs, web

from bot.models import Secret

_PORT = r"(?::\d{1,5})?"
_HOST = re.compile(rf"(?:localhost|127(?:\.\d{{1,3}}){{3}}|\[::1\]){_PORT}", re.IGNORECASE)
_ORIGIN = re.compile(rf"https?://{_HOST.pattern}", re.IGNORECASE)
_FORWARDED = re.compile(
    r"forwarded|via\Z|(?:true-|fastly-|fly-)?client-ip|proxy-|ngrok-|tailscale-|cdn-loop|cf-"
    r"|x-(?:forwarded|original-|real-ip|client-ip|cluster-client-ip|proxyuser-ip|remote-|envoy-"
    r"|azure-|appengine-|amz-cf-|vercel-|arr-)",
    re.IGNORECASE,
)
"""How the headers begin that a proxy adds: its caller is not the peer."""

_OWN_PAGE = ("none", "same-origin")


class Callers:
    """The gateway's tokens by name; without any, it is open to this machine's own programs."""

    def __init__(self, tokens: Mapping[str, Secret]) -> None:
        self._digests = {name: sha256(t.reveal().encode()).digest() for name, t in tokens.items()}

    @property
    def open(self) -> bool:
        """True when no token is asked for."""
        return not self._digests

    def name_of(self, request: web.BaseRequest) -> str | None:
        """Return the caller's label; None when it has to show a token, or another one."""
        if self.open:
            return "" if from_this_machine(request) else None
        found = None
        for token in _tokens(request.headers):
            shown = sha256(token.encode("utf-8", "surrogateescape")).digest()
            # Every one is compared, so that the time says nothing about which came close.
            for name, digest in self._digests.items():
                if hmac.compare_digest(shown, digest):
                    found = name
        return found


def from_this_machine(request: web.BaseRequest) -> bool:
    """Return whether a program, or a page, of this machine itself asks, and for no other.

    A proxy makes all its callers loopback peers, so it must not have left a trace: another host,
    a forwarding header, HTTP/1.0 (nginx's own default). A browser must not ask for a page from
    elsewhere, nor under a name that was made to point here.
    """
    headers = request.headers
    hosts = headers.getall(hdrs.HOST, ())
    return (
        _is_loopback_peer(request)
        and request.version >= HttpVersion11
        and request.raw_path.startswith("/")
        and len(hosts) == 1
        and _is_loopback(hosts[0], _HOST)
        and not any(map(_FORWARDED.match, headers))
        and _is_own_page(headers.getall(hdrs.ORIGIN, ()), headers.getall("Sec-Fetch-Site", ()))
    )


def _is_own_page(origins: list[str] | tuple[str, ...], sites: list[str] | tuple[str, ...]) -> bool:
    if origins:
        return len(origins) == 1 and _is_loopback(origins[0], _ORIGIN)
    return all(site in _OWN_PAGE for site in sites)


def _is_loopback(written: str, form: re.Pattern[str]) -> bool:
    """Return whether a host or origin names loopback, in the one spelling a client gives it."""
    if not form.fullmatch(written):
        return False
    host = written.rpartition("//")[2]
    if host[0] in "lL[":
        return True
    return all(int(part) < 256 for part in host.partition(":")[0].split("."))


def _is_loopback_peer(request: web.BaseRequest) -> bool:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    try:
        address: IPv4Address | IPv6Address = ip_address(str(peer[0]) if peer else "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _tokens(headers: Mapping[str, str]) -> list[str]:
    """Return what may be a token: some clients send one in each of the two headers."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    shown = [token.strip()] if scheme.lower() == "bearer" else []
    key = headers.get("x-api-key")
    return shown if key is None else [*shown, key]
