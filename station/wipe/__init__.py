"""Wiping: `plan` (pure, printable) and `execute` (acts and proves, judges nothing), over one table of engines.

An engine is a module with `METHODS` (name -> Method), `read(medium)` -> Capabilities and `state(medium)`, which
is asked first after every restart. Today there is one: overwriting, for everything that has blocks.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from station.media import Medium
from station.wipe import overwrite
from station.wipe.overwrite import Method
from station.wipe.planning import Capabilities, Option, Plan
from station.wipe.planning import plan as plan_with
from wipe_profiles import Profile

__all__ = ["ENGINES", "Capabilities", "Engine", "Method", "Option", "Plan", "can_do", "plan"]


class Engine(Protocol):
    """What every engine module offers."""

    METHODS: Mapping[str, Method]


ENGINES: Mapping[str, Engine] = MappingProxyType({"block": overwrite})
"""Transport -> engine; "block" serves whatever has no better one, practice drives included."""

_NOTHING_HIDDEN = ("nvme", "file")  # no host protected area or device configuration overlay exists there


def can_do(medium: Medium) -> Capabilities:
    """Return what the engines can do with this drive."""
    engines = [ENGINES[name] for name in (medium.transport, "block") if name in ENGINES]
    methods = {name: method for engine in reversed(engines) for name, method in engine.METHODS.items()}
    return Capabilities(methods, "none" if medium.kind in _NOTHING_HIDDEN else "unknown")


def plan(profile: Profile, medium: Medium, can: Capabilities | None = None) -> Plan:
    """Work out what this profile means for this drive; see `planning.plan`."""
    return plan_with(profile, medium, can or can_do(medium))
