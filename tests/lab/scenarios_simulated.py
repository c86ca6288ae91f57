"""The simulated ATA and SAS drives are drives to the real hdparm, smartctl and sg3-utils, and they lie as told.

The engines' own scenarios rest on these: where one fails, the simulator is to be mended and not the station.
"""

import json
import time

from tests.lab.scenario import Lab, Scenario, Seen
from tests.lab.simulated import Shelf
from tests.lab.talk import Overdue
from tests.lab.vm import Guest

SURE = "--yes-i-know-what-i-am-doing"
PASSWORD = ("--user-master", "u")
SECTORS = 131_072
ATA = {"kind": "ata", "serial": "SIM1", "sectors": SECTORS}
SAS = {"kind": "scsi", "serial": "SAS1", "sectors": SECTORS}
LETTER = "a letter to the charity"


def _plant(guest: Guest, node: str) -> None:
    """Write something to be found again, in the middle."""
    guest.sh(f"yes '{LETTER}' | dd of={node} bs=4096 count=4 seek=8000 oflag=direct iflag=fullblock conv=fsync 2>&1")


def _found(guest: Guest, shelf: Shelf, serial: str) -> bool:
    """Tell whether the chips still hold it."""
    shelf.ask(serial, "settle")
    return guest.run(["grep", "-aqF", LETTER, shelf.image(serial)]).exit == 0


def _until(guest: Guest, argv: list[str], words: str, seconds: float = 60) -> list[str]:
    """Ask a tool again and again until it says the words; returns all it said."""
    said, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        done = guest.run(argv)
        said.append(done.text + done.stderr.decode())
        if words in said[-1]:
            return said
        time.sleep(0.5)
    raise AssertionError(f"{argv} never said {words!r}: {said[-1]}")


def ata_tools(lab: Lab) -> Seen:
    """Security, hidden areas and sanitize of a simulated SATA drive with hdparm and smartctl."""
    with lab.guest(home=False) as guest, Shelf(guest, [ATA]) as shelf:
        node = shelf.device("SIM1")
        _plant(guest, node)
        guest.run(["hdparm", *PASSWORD, "--security-set-pass", "LCR-WIPE", node]).checked()
        node = str(shelf.ask("SIM1", "power-cycle")["device"])
        guest.settle()
        state = json.loads(guest.run(["smartctl", "-x", "-j", node]).text)["ata_security"]
        assert state["enabled"] and state["locked"], state
        guest.run(["hdparm", *PASSWORD, "--security-erase", "LCR-WIPE", node], 120).checked()
        state = json.loads(guest.run(["smartctl", "-x", "-j", node]).text)["ata_security"]
        assert not state["enabled"], state
        assert not _found(guest, shelf, "SIM1")

        guest.run(["hdparm", SURE, "-N", "p100000", node]).checked()
        guest.sh(f"echo 1 > /sys/block/{node.removeprefix('/dev/')}/device/rescan; udevadm settle")
        assert guest.sh(f"blockdev --getsz {node}").text.strip() == "100000"
        node = str(shelf.ask("SIM1", "power-cycle")["device"])
        guest.settle()
        assert "100000/131072, HPA is enabled" in guest.run(["hdparm", "-N", node]).text
        guest.run(["hdparm", SURE, "-N", f"p{SECTORS}", node]).checked()
        assert "131072/131072, HPA is disabled" in guest.run(["hdparm", "-N", node]).text

        _plant(guest, node)
        guest.run(["hdparm", SURE, "--sanitize-block-erase", node]).checked()
        said = _until(guest, ["hdparm", "--sanitize-status", node], "Last Sanitize Operation Completed Without Error")
        assert any("In Process" in each for each in said), said
        assert not _found(guest, shelf, "SIM1")
    return Seen(f"locked, erased, hidden, sanitized; progress was seen {len(said) - 1} times")


def sas_tools(lab: Lab) -> Seen:
    """Sanitize, a failed sanitize and health of a simulated SAS drive with sg3-utils and smartctl."""
    with lab.guest(home=False) as guest, Shelf(guest, [SAS]) as shelf:
        node = shelf.device("SAS1")
        _plant(guest, node)
        guest.run(["sg_sanitize", "--block", "--quick", "--early", node]).checked()
        assert "sanitize in progress" in guest.run(["sg_requests", node]).stderr.decode()
        # The kernel takes the capacity for 0 meanwhile, so a read ends at once and is no error: an end is no proof.
        _until(guest, ["sg_requests", node], "No additional sense information")
        assert not _found(guest, shelf, "SAS1")
        shelf.ask("SAS1", "tell", lie="fails-at-65535")
        # Without AUSE a failed sanitize cannot be left but by another one that succeeds (SBC-3, restricted mode).
        guest.run(["sg_sanitize", "--block", "--ause", "--quick", "--early", node]).checked()
        _until(guest, ["sg_requests", node], "Medium Error")
        shelf.ask("SAS1", "stop", lie="fails-at-65535")
        guest.run(["sg_sanitize", "--fail", "--quick", "--early", node]).checked()
        shelf.ask("SAS1", "attribute", name="failing", value=True)
        health = json.loads(guest.run(["smartctl", "-x", "-j", node]).text)
        assert not health["smart_status"]["passed"], health["smart_status"]
    return Seen("sanitized, failed and left its failure, said that it is failing")


def lies(lab: Lab) -> Seen:
    """A drive that erases nothing reports success; one that hangs holds up no other; power ends the hanging."""
    wishes = [{**ATA, "lies": ["erases-nothing"]}, {**ATA, "serial": "SIM2", "wwn": "5000c500a00000aa"}]
    with lab.guest(home=False) as guest, Shelf(guest, wishes) as shelf:
        liar, stuck = shelf.device("SIM1"), shelf.device("SIM2")
        _plant(guest, liar)
        guest.run(["hdparm", SURE, "--sanitize-block-erase", liar]).checked()
        _until(guest, ["hdparm", "--sanitize-status", liar], "Completed Without Error")
        assert _found(guest, shelf, "SIM1")
        shelf.ask("SIM2", "tell", lie="hangs")
        hung = guest.start(["hdparm", SURE, "--sanitize-block-erase", stuck])
        try:
            hung.wait(15)
            raise AssertionError("the drive that was to hang answered")
        except Overdue:
            other = guest.run(["hdparm", "--sanitize-status", liar], 20).checked()
        shelf.ask("SIM2", "cut-power")
        ended = hung.wait(90)
        assert ended.exit != 0, ended
        shelf.ask("SIM2", "stop", lie="hangs")
        node = str(shelf.ask("SIM2", "power-on")["device"])
        assert "SIM2" in guest.run(["hdparm", "-I", node]).text
    return Seen(f"hdparm believed a drive that erased nothing; beside one that hung another took {other.seconds:.1f} s")


SCENARIOS = (
    Scenario("simulated-ata", "hdparm and smartctl lock, erase, hide, sanitize a made-up drive", ata_tools, slice=True),
    Scenario("simulated-sas", "sg3-utils and smartctl sanitize a simulated drive and hear of its failures", sas_tools),
    Scenario("simulated-lies", "simulated drives lie and hang as told, and one holds up no other", lies),
)
