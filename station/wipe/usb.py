"""What is behind a USB adapter, as far as it can be asked; never more than Clear, and no command of the drive's own.

An adapter answers for the drive, and not always truthfully: it may show a serial number of its own, report hidden
areas that are garbage, and break off commands (STATION.md section 5; nwipe #444, #449; smartmontools #370, #576).
So the drive behind it is only *named*, in the words smartctl gets through, for the person who holds it in the hand.
"""

from collections.abc import Mapping
from types import MappingProxyType

from custody.claims import Firmware
from station.errors import NotDone
from station.media import Medium
from station.probe_smart import DEADLINE, parse_smart
from station.run import Runner
from station.wipe.methods import Act, Capabilities, DriveState, Method, Unhidden

METHODS: Mapping[str, Method] = MappingProxyType({})
KINDS = ("sat", "sntjmicron", "sntasmedia", "sntrealtek")  # smartctl(8), -d TYPE: what adapters translate
_NEVER = "not sent through a USB adapter, which answers for the drive: connect the drive directly"
_COMMANDS = (
    "sanitize-crypto", "sanitize-block", "sanitize-overwrite", "secure-erase", "secure-erase-enhanced", "format-crypto",
    "format-user", "erase-sanitize",
)  # fmt: skip


def read(run: Runner, medium: Medium) -> Capabilities:
    """Ask for the drive behind the adapter, by each translation that smartctl knows, until one answers."""
    refused = dict.fromkeys(_COMMANDS, _NEVER)
    for kind in (None, *KINDS):
        words = ("-d", kind) if kind else ()
        result = run(("smartctl", "-i", "-j", *words, medium.path), DEADLINE)
        if result.missing or result.timed_out:
            return Capabilities(METHODS, "unknown", refused, notes=(f"what is behind the adapter: {result.trouble}",))
        report, _ = parse_smart(result.text, medium.path)
        if report is not None and report.serial:
            behind = {"model": report.model, "serial": report.serial, "asked_as": kind or report.kind}
            notes = (_named(medium, report.model, report.serial),)
            return Capabilities(METHODS, "unknown", refused, notes=notes, facts={"behind": behind})
    return Capabilities(METHODS, "unknown", refused, notes=("the adapter does not tell which drive is behind it",))


def _named(medium: Medium, model: str, serial: str) -> str:
    shown = medium.identity.serial
    if shown and "".join(shown.split()).upper() == "".join(serial.split()).upper():
        return f"behind the adapter: {model} {serial}"
    return f"behind the adapter: {model} {serial}; the adapter itself calls it {shown or 'nothing'}"


def state(run: Runner, medium: Medium) -> DriveState:
    """Nothing of the drive's own is ever started through an adapter, so nothing is going on."""
    return DriveState("idle", "nothing of the drive's own is started through an adapter")


def ready(act: Act) -> tuple[str, ...]:
    """There is nothing to undo."""
    return ()


def act(act: Act) -> Firmware:
    """Never send a drive's own command through an adapter. Raises NotDone."""
    raise NotDone(f"{act.method.name} is {_NEVER}")


def unhide(act: Act) -> Unhidden:
    """Never look for hidden areas through an adapter. Raises NotDone."""
    raise NotDone(f"looking for hidden areas is {_NEVER}")
