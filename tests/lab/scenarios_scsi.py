"""The SCSI engine with the real sg_raw, sg_sanitize and sg_format, over simulated SAS drives behind the guest's kernel.

What the simulator does not prove: how any real firmware or host bus adapter behaves (tcm_loop is no SAS), nor what a
drive of two ports, or one formatted with 520-byte sectors, answers.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from tests.drives.lies import Lie
from tests.lab.bench_in_guest import CLI, BenchInGuest, ask, wipe_words
from tests.lab.matrix import judged
from tests.lab.scenario import Lab, Scenario, Seen
from tests.lab.scenarios_ata import column, fill_chips, in_chips
from tests.lab.simulated import Shelf
from tests.lab.vm import HOME, PYTHON, Guest

SECTORS = 2_048  # 1 MiB: a guest under emulation is slow
SECONDS = {"crypto": 3.0, "block": 3.0, "overwrite": 3.0, "format": 3.0, "self-test": 3.0}
SANITIZES = ("sanitize-crypto", "sanitize-block", "sanitize-overwrite")
METHODS = (*SANITIZES, "format-user")
ANY = (
    Lie.ERASES_NOTHING, Lie.KEEPS_LAST_PERCENT, Lie.KEEPS_ONE_BLOCK, Lie.SHRINKS, Lie.IDENTITY_AFTER_ERASE, Lie.HANGS,
    Lie.DROPS_WRITES, Lie.STOPS_HALFWAY, Lie.FAILS_AT_65535, Lie.PROGRESS_STUCK,
)  # fmt: skip
IN_SANITIZE = (Lie.ALWAYS_COMPLETED, Lie.STATUS_UNCHANGED, Lie.REFUSES_SANITIZE)
UNSEEN = (Lie.ZEROS_WITHOUT_ERASING, Lie.OLD_CONTENT)  # the second only shows once the drive has been off
TRUE = ("", Lie.VENDOR_PATTERN, Lie.RANDOM_AFTER_CRYPTO)


def wish(serial: str, *lies: str, **more: Any) -> dict[str, Any]:
    """Order a SAS drive of 1 MiB that takes seconds for everything."""
    number = int.from_bytes(serial.encode()[-6:], "big")
    return {
        "kind": "scsi", "serial": serial, "sectors": SECTORS, "wwn": f"{0x5000000000000000 | number:016x}",
        "seconds": SECONDS, "lies": [each for each in lies if each], **more,
    }  # fmt: skip


def lies_of(method: str) -> tuple[Lie, ...]:
    """Return the lies that can be told about this method and seen from outside."""
    return (*ANY, *(IN_SANITIZE if method in SANITIZES else (Lie.REFUSES_ERASE,)))


def lies(lab: Lab) -> Seen:
    """Every lie that can be seen, under a sanitize (with --soak under all four methods)."""
    methods = METHODS if lab.soak else ("sanitize-block",)
    table: dict[str, dict[str, dict[str, Any]]] = {}
    with lab.guest(home=False, memory=2048) as guest:
        for number, method in enumerate(methods):
            told = [*TRUE, *lies_of(method), *UNSEEN]
            table[method] = column(guest, method, told, 100 * number, wish)
            lab.tell(f"scsi: {method}: {[(lie, one['outcome']) for lie, one in table[method].items()]}")

    def honest(method: str, one: Mapping[str, Any]) -> bool:
        return (one["claim"], one["hidden"]) == ("purge" if method in SANITIZES else "clear", "none")

    return judged(table, true=TRUE, unseen=UNSEEN, honest=honest)


def hidden(lab: Lab) -> Seen:
    """Letters behind a capacity that was reduced with the real sg_format: found by numbers, given back, gone."""
    with lab.guest() as guest, Shelf(guest, [wish("SMALL001")]) as shelf:
        BenchInGuest(guest)
        node = shelf.device("SMALL001")
        fill_chips(guest, shelf.image("SMALL001"))
        guest.run(["sg_format", "--resize", f"--count={SECTORS // 2}", "--long", "--quick", node]).checked()
        guest.sh(f"echo 1 > /sys/block/{node.removeprefix('/dev/')}/device/rescan; udevadm settle")
        planned = ask(guest, "plan", node, "--profile", "purge")
        assert (planned["hidden_areas"], planned["unhide"]) == ("present", True), planned
        report = ask(guest, *wipe_words(node, "SMALL001"))
        assert report["outcome"] == "DONE" and report["claim"] == "purge", report
        assert shelf.ask("SMALL001", "facts")["visible"] == SECTORS
        assert not in_chips(guest, shelf, "SMALL001"), "the hidden half still holds letters"
        assert ask(guest, "plan", node, "--profile", "purge")["hidden_areas"] == "none"
    return Seen("half of the drive was hidden, given back and erased with the rest (purge)")


def interrupted(lab: Lab) -> Seen:
    """A drive that loses power in mid-sanitize goes on by itself; the same wipe waits for it and proves it."""
    slow = {**SECONDS, "crypto": 40.0}
    with lab.guest() as guest, Shelf(guest, [wish("CUT00001", seconds=slow)]) as shelf:
        BenchInGuest(guest)
        fill_chips(guest, shelf.image("CUT00001"))
        words = wipe_words(shelf.device("CUT00001"), "CUT00001")
        running = guest.start([*CLI, *words, "--json", "--home", f"{HOME}/station"])
        running.wait_for("the drive erases itself", 240)
        time.sleep(10)
        shelf.ask("CUT00001", "cut-power")
        cut = running.wait(240)
        assert b'"DONE"' not in cut.stdout, cut
        node = str(shelf.ask("CUT00001", "power-on")["device"])
        guest.settle()
        early = ask(guest, *wipe_words(node, "CUT00001"))
        assert early.get("outcome") != "DONE" or not in_chips(guest, shelf, "CUT00001"), early
        report, until = early, time.monotonic() + 150
        while report.get("outcome") != "DONE" and time.monotonic() < until:
            time.sleep(10)
            report = ask(guest, *wipe_words(node, "CUT00001"))
        assert report.get("outcome") == "DONE" and report["claim"] == "purge", (early, report)
        assert not in_chips(guest, shelf, "CUT00001")
        begun = shelf.ask("CUT00001", "facts")["sanitizes_begun"]
    return Seen(f"cut off in mid-sanitize: not DONE; afterwards DONE (purge), {begun} sanitize(s) begun in all")


def _tested(guest: Guest, node: str) -> dict[str, Any]:
    words = (
        "import json,sys; from station.run import Run; from station.selftest import self_test; "
        "print(json.dumps(self_test(Run(), sys.argv[1], 'short').to_json()))"
    )
    found: dict[str, Any] = json.loads(guest.run([PYTHON, "-c", words, node], 300).checked().text)
    return found


def selftest(lab: Lab) -> Seen:
    """A SAS and a SATA drive test themselves and pass, then fail, as told, heard through smartctl and pySMART."""
    ata = {"kind": "ata", "serial": "TESTATA1", "sectors": SECTORS, "seconds": {"self-test": 3.0}}
    said = []
    with lab.guest(home=False) as guest, Shelf(guest, [wish("TESTSAS1"), ata]) as shelf:
        for serial in ("TESTSAS1", "TESTATA1"):
            node = shelf.device(serial)
            good = _tested(guest, node)
            assert good["result"] == "passed" and good["health"]["verdict"] != "bad", (serial, good)
            shelf.ask(serial, "test-fails", sector=1_000)
            bad = _tested(guest, node)
            assert bad["result"] == "failed" and bad["health"]["verdict"] == "bad", (serial, bad)
            said.append(f"{serial[4:7]} {good['health']['verdict']} then {bad['health']['verdict']}")
    return Seen(f"self-tests passed and failed as told: {'; '.join(said)}")


SCENARIOS = (
    Scenario("scsi-lies", "no lie of a SAS drive that can be seen ends DONE", lies, minutes=20),
    Scenario("scsi-hidden", "a SAS drive's reduced capacity is found, given back, erased", hidden, minutes=8),
    Scenario("scsi-interrupted", "a sanitize cut off by power is not DONE, but gone on with", interrupted, minutes=12),
    Scenario("selftest", "SAS and SATA drives' own self-tests pass and fail as they really did", selftest, minutes=8),
)  # fmt: skip
