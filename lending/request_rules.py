"""What a request says of where it comes from and where it goes, judged without the web framework."""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from lending.access_config import host_name, is_loopback


def is_known_host(host: str, address: str, others: frozenset[str]) -> bool:
    """Tell whether a request's `Host` is the host of our `address` or one of the others; this machine may always ask.

    Whoever invents a host must not get pages, links or cookies made for it (host header injection, DNS rebinding).
    """
    ours = {host_name(urlsplit(address).netloc), *others}
    return host_name(host) in ours or is_loopback(host)


def is_own_page(headers: Mapping[str, str], host: str) -> bool:
    """Tell whether a form comes from our own pages, as far as the browser says.

    Browsers say so themselves, out of reach of scripts: Fetch Metadata's `Sec-Fetch-Site`, and `Origin` (RFC 6454).
    """
    if headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("Origin")
    return origin is None or urlsplit(origin).netloc.lower() == host.lower()


def network_of(address: str) -> str:
    """Return the part of a network address that tries are counted under: of IPv6 the /64 that one customer has."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return f"{IPv6Address(int(found) >> 64 << 64)}/64" if isinstance(found, IPv6Address) else address


def is_own_path(text: str) -> bool:
    """Tell whether a wanted page is one of ours: a path, and nothing that a browser reads as another host."""
    return text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
