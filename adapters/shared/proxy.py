"""The proxy a request goes through, as the environment says."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

_LIKE = {"ws": "http", "wss": "https"}


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for a URL; this machine needs none.

    Read from HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in either case. aiohttp's own reading of the
    environment would also send passwords out of ~/.netrc.
    """
    proxies = getproxies_environment()
    if not proxies:
        return None
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = proxies.get(_LIKE.get(parts.scheme, parts.scheme))
    if proxy is None or _loopback(host) or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
