"""The settings of signing in: who must have a second factor, since when, and what stands before this server."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address

from lending.errors import ConfigError
from lending.people import ROLES

VARIABLES: Mapping[str, str] = {
    "KITBANK_SECOND_FACTOR_ROLES": "roles that need a passkey or a second factor, comma between; none for nobody "
    "(default administrator,supervisor,data-protection)",
    "KITBANK_SECOND_FACTOR_GRACE_DAYS": "days that such an account works without one (default 7)",
    "KITBANK_TRUSTED_PROXIES": "number of reverse proxies before this server whose word on who asks counts (default 0)",
    "KITBANK_OTHER_HOSTS": "further host names at which this server may be asked, comma between (default: none)",
}
DEFAULT_ROLES = ("administrator", "supervisor", "data-protection")


@dataclass(frozen=True)
class AccessConfig:
    """How signing in is set up."""

    factor_roles: frozenset[str] = frozenset(DEFAULT_ROLES)
    grace: timedelta = timedelta(days=7)
    proxies: int = 0
    other_hosts: frozenset[str] = frozenset()


def from_values(values: Mapping[str, str]) -> AccessConfig:
    """Build the settings from the texts of the environment, "" where one is absent. Raises `ConfigError`."""
    return AccessConfig(
        factor_roles=_roles(values.get("KITBANK_SECOND_FACTOR_ROLES", "")),
        grace=timedelta(days=_number(values, "KITBANK_SECOND_FACTOR_GRACE_DAYS", 7, 90)),
        proxies=_number(values, "KITBANK_TRUSTED_PROXIES", 0, 5),
        other_hosts=frozenset(_names(values.get("KITBANK_OTHER_HOSTS", "").lower())),
    )


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address, with or without port, is this very machine."""
    name = host_name(host)
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def host_name(host: str) -> str:
    """Return a host without its port, in small letters: `Kit.example.org:443` and `[::1]:80` become bare."""
    text = host.strip().lower()
    if text.startswith("["):
        return text[1:].split("]", 1)[0]
    return text.rsplit(":", 1)[0] if text.count(":") == 1 else text


def _roles(text: str) -> frozenset[str]:
    if text.strip().lower() == "none":
        return frozenset()
    found = frozenset(_names(text)) or frozenset(DEFAULT_ROLES)
    unknown = sorted(found - set(ROLES))
    if unknown:
        raise ConfigError(
            f"KITBANK_SECOND_FACTOR_ROLES names {unknown[0]!r}; the roles are {', '.join(ROLES)}, or none"
        )
    return found


def _number(values: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = values.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and int(text) <= most):
        raise ConfigError(f"{name} is {text!r}; it must be a whole number from 0 to {most}")
    return int(text)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
