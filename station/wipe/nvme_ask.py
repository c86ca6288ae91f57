"""Ask an NVMe drive something and decode the answer: the record, or why there is none. Looking only; raises nothing."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from station.media import Medium
from station.run import Result, Runner
from station.wipe import nvme_argv as argv
from station.wipe import nvme_decode as decode
from station.wipe.nvme_words import code_in

LOOK = 30.0
"""Seconds for a question. The kernel gives up an admin command after 60; a drive that is slower than this is busy."""

_GONE = ("No such file or directory", "No such device")  # ENOENT, ENODEV and ENXIO, in the C locale
_T = TypeVar("_T")


@dataclass(frozen=True)
class Told(Generic[_T]):
    """An answer. `value` is None when there is none; then `why` says so, and `status` is the NVMe status, or -1."""

    value: _T | None
    why: str = ""
    status: int = -1
    raw: bytes = b""
    gone: bool = False


def status_of(result: Result) -> int:
    """Return the NVMe status of a command that failed, -1 when there is none."""
    return -1 if result.ok else code_in(result.stderr.decode("utf-8", "replace"))


def controller(run: Runner, medium: Medium) -> Told[decode.Controller]:
    """Ask who the drive is and what it can."""
    return _ask(run, medium, argv.id_ctrl(medium.path), decode.controller)


def namespace(run: Runner, medium: Medium, nsid: int) -> Told[decode.Namespace]:
    """Ask how one namespace is formatted."""
    return _ask(run, medium, argv.id_ns(medium.path, nsid), decode.namespace)


def namespaces(run: Runner, medium: Medium, *, unattached: bool = False) -> Told[tuple[int, ...]]:
    """Ask which namespaces are attached; with `unattached` which there are at all."""
    return _ask(run, medium, argv.list_ns(medium.path, unattached=unattached), decode.namespace_list)


def sanitize_log(run: Runner, medium: Medium) -> Told[decode.SanitizeLog]:
    """Ask for log page 81h."""
    return _ask(run, medium, argv.sanitize_log(medium.path), decode.sanitize_log)


def lock(run: Runner, medium: Medium) -> Told[decode.Lock | None]:
    """Ask whether the drive is locked; a value of None in an answer without `why` means that it knows no locks."""
    return _ask(run, medium, argv.discover_lock(medium.path), decode.lock)


def own_number(run: Runner, medium: Medium) -> Told[int]:
    """Return the number of the namespace this medium is: what the kernel says, or the only one that is attached."""
    text = medium.identity.namespace
    if text.isdigit() and int(text):
        return Told(int(text))
    found = namespaces(run, medium)
    if found.value is None:
        return Told(None, f"which namespace it is cannot be told: {found.why}", found.status, gone=found.gone)
    if len(found.value) != 1:
        return Told(None, f"which of the {len(found.value)} namespaces of the drive it is, nothing tells")
    return Told(found.value[0])


def _ask(run: Runner, medium: Medium, words: Sequence[str], decoded: Callable[[bytes], _T]) -> Told[_T]:
    result = run(words, LOOK)
    gone = not os.path.exists(medium.path) or any(word in result.stderr.decode("utf-8", "replace") for word in _GONE)
    if not result.ok:
        return Told(None, result.trouble, status_of(result), gone=gone and not result.missing)
    try:
        return Told(decoded(result.stdout), raw=result.stdout)
    except decode.NotThat as error:
        return Told(None, str(error), raw=result.stdout, gone=gone)
