"""The ATA engine with the real hdparm and smartctl, over simulated SATA drives behind the guest's kernel (TCMU).

What the simulator does not prove: how any real firmware behaves; libata's own handling of resets, hidden areas and
sense data (tcm_loop is no libata); a suspend. docs/station-ata.md has the rest.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.drives.lies import Lie
from tests.lab.bench_in_guest import CLI, BenchInGuest, ask, wipe_words
from tests.lab.matrix import judged
from tests.lab.scenario import Lab, Scenario, Seen
from tests.lab.simulated import Shelf
from tests.lab.vm import HOME, PYTHON, Guest

SECTORS = 2_048  # 1 MiB, room for a quarter of a thousand canaries: a guest under emulation is slow
SECONDS = {"crypto": 1.0, "block": 3.0, "overwrite": 3.0, "erase": 3.0}
LETTER = "a letter to the charity"
SANITIZES = ("sanitize-crypto", "sanitize-block", "sanitize-overwrite")
ERASES = ("secure-erase", "secure-erase-enhanced")
ANY = (
    Lie.ERASES_NOTHING, Lie.KEEPS_LAST_PERCENT, Lie.KEEPS_ONE_BLOCK, Lie.SHRINKS, Lie.IDENTITY_AFTER_ERASE,
    Lie.HANGS, Lie.NO_PASS_THROUGH, Lie.DROPS_WRITES, Lie.LOCKED_STRANGER,
)  # fmt: skip
IN_SANITIZE = (
    Lie.ALWAYS_COMPLETED, Lie.STATUS_UNCHANGED, Lie.FAILS_AT_65535, Lie.PROGRESS_STUCK, Lie.REFUSES_SANITIZE,
    Lie.SANITIZE_FROZEN,
)  # fmt: skip
IN_ERASE = (Lie.STOPS_HALFWAY, Lie.PASSWORD_STICKS, Lie.REFUSES_ERASE, Lie.FROZEN)
UNSEEN = (Lie.ZEROS_WITHOUT_ERASING, Lie.OLD_CONTENT)  # the second only shows once the drive has been off
TRUE = ("", Lie.LOCKED_OURS, Lie.VENDOR_PATTERN, Lie.FALSE_SERIAL)
"""Must be done. A false serial of the bridge deceives nobody: udev asks the drive itself, and that is on record."""


def wish(serial: str, *lies: str, **more: Any) -> dict[str, Any]:
    """Order a drive of 1 MiB that takes seconds for everything."""
    number = int.from_bytes(serial.encode()[-6:], "big")
    return {
        "kind": "ata", "serial": serial, "sectors": SECTORS, "wwn": f"{0x5000000000000000 | number:016x}",
        "seconds": SECONDS, "erase_minutes": 0, "enhanced_minutes": 0, "lies": [each for each in lies if each], **more,
    }  # fmt: skip


def fill_chips(guest: Guest, image: str) -> None:
    """Fill a drive with letters from behind: what is hidden or locked as well."""
    guest.sh(f"yes '{LETTER}' | dd of={image} bs=4096 count={SECTORS // 8} iflag=fullblock conv=notrunc 2>&1")


def in_chips(guest: Guest, shelf: Shelf, serial: str) -> bool:
    """Tell whether the chips still hold a letter."""
    shelf.ask(serial, "settle")
    return guest.run(["grep", "-aqF", LETTER, shelf.image(serial)]).exit == 0


def run_cells(guest: Guest, cells: Sequence[Mapping[str, Any]], unplug: Callable[[], object]) -> list[dict[str, Any]]:
    """Wipe drives in the guest, each by its method, three at a time; see `tests.lab.cells`.

    The drives that hang are a row of their own: after a minute and a half somebody unplugs them.
    """
    stuck = [cell for cell in cells if cell["lie"] == Lie.HANGS]
    others = [cell for cell in cells if cell["lie"] != Lie.HANGS]
    started = [
        guest.start([PYTHON, "-m", "tests.lab.cells", json.dumps(part)])
        for part in (stuck, others[::2], others[1::2])
    ]
    time.sleep(90)
    unplug()
    found = []
    for running in started:
        done = running.wait(900).checked()
        found += [json.loads(line) for line in done.text.splitlines()]
    return found


def lies_of(method: str) -> tuple[Lie, ...]:
    """Return the lies that can be told about this method and seen from outside."""
    return (*ANY, *(IN_SANITIZE if method in SANITIZES else IN_ERASE))


def column(
    guest: Guest, method: str, lies: Sequence[str], first: int, order: Callable[..., dict[str, Any]] = wish
) -> dict[str, dict[str, Any]]:
    """Wipe a drive for each lie by one method; return what came out, by lie ("" for the honest drive).

    `order(serial, lie)` says what kind of drive it is.
    """
    wishes = [order(f"{method[-4:].upper()}{number:04d}", lie) for number, lie in enumerate(lies, first)]
    found: dict[str, dict[str, Any]] = {}
    with Shelf(guest, wishes, name=f"shelf-{method}", first=first) as shelf:
        cells = []
        for made, lie in zip(wishes, lies, strict=True):
            serial = str(made["serial"])
            fill_chips(guest, shelf.image(serial))
            if lie == Lie.OLD_CONTENT:
                shelf.ask(serial, "tell", lie=lie)
            cells.append({"node": shelf.device(serial), "method": method, "lie": lie, "serial": serial})
        hung = next(str(made["serial"]) for made, lie in zip(wishes, lies, strict=True) if lie == Lie.HANGS)
        for one in run_cells(guest, cells, lambda: shelf.ask(hung, "cut-power")):
            found[one["lie"]] = one | {"left": in_chips(guest, shelf, one["serial"])}
    return found


def lies(lab: Lab) -> Seen:
    """Every lie that can be seen, under a sanitize (with --soak under all five methods)."""
    methods = (*SANITIZES, *ERASES) if lab.soak else ("sanitize-block",)
    table: dict[str, dict[str, dict[str, Any]]] = {}
    with lab.guest(home=False, memory=2048) as guest:
        for number, method in enumerate(methods):
            told = [*TRUE, *lies_of(method), *UNSEEN]
            table[method] = column(guest, method, told, 100 * number)
            lab.tell(f"ata: {method}: {[(lie, one['outcome']) for lie, one in table[method].items()]}")
    return judged(table, true=TRUE, unseen=UNSEEN, honest=lambda method, one: one["on_record"] == one["serial"])


def left_behind(lab: Lab) -> Seen:
    """Drives that are found locked by us, locked by a stranger, and frozen."""
    wishes = [wish("OURS0001", Lie.LOCKED_OURS), wish("THEIRS01", Lie.LOCKED_STRANGER), wish("FROZEN01", Lie.FROZEN)]
    with lab.guest() as guest, Shelf(guest, wishes) as shelf:
        BenchInGuest(guest)
        ours = ask(guest, *wipe_words(shelf.device("OURS0001"), "OURS0001"))
        assert ours["outcome"] == "DONE" and ours["claim"] == "purge", ours
        assert any("published password" in text for text in ours["exceptions"]), ours["exceptions"]
        theirs = ask(guest, *wipe_words(shelf.device("THEIRS01"), "THEIRS01"))
        assert theirs["exit"] == 4 and "not Kitbank's" in theirs["stderr"], theirs
        planned = ask(guest, "plan", shelf.device("FROZEN01"), "--profile", "purge")
        why = {one["method"]: one["why_not"] for one in planned["options"]}
        assert "dock" in why["secure-erase-enhanced"] and planned["method"] == "sanitize-crypto", planned
        frozen = ask(guest, *wipe_words(shelf.device("FROZEN01"), "FROZEN01"))
        assert frozen["outcome"] == "DONE" and frozen["claim"] == "purge", frozen
    return Seen("ours unlocked and wiped (purge), a stranger's refused after one try, frozen: dock told, sanitized")


def hidden(lab: Lab) -> Seen:
    """Letters in sectors that a drive hides: found by numbers, given back, gone."""
    half = SECTORS // 2
    kinds: dict[str, dict[str, Any]] = {
        "HPA00001": {"hpa_sectors": half},
        "DCO00001": {"dco_sectors": half},
        "AMA00001": {"hpa_sectors": half, "hidden": "ama"},
    }
    said = []
    with lab.guest() as guest, Shelf(guest, [wish(serial, **more) for serial, more in kinds.items()]) as shelf:
        BenchInGuest(guest)
        for serial in kinds:
            fill_chips(guest, shelf.image(serial))
            report = ask(guest, *wipe_words(shelf.device(serial), serial))
            assert report["outcome"] == "DONE" and report["claim"] == "purge", report
            assert shelf.ask(serial, "facts")["visible"] == SECTORS
            assert not in_chips(guest, shelf, serial), f"{serial}: the hidden half still holds letters"
            said.append(serial[:3])
        twice = ask(guest, "plan", shelf.device("HPA00001"), "--profile", "purge")
        assert twice["hidden_areas"] == "none", twice
    return Seen(f"{', '.join(said)}: half of the drive was hidden, given back and erased with the rest (purge)")


def interrupted(lab: Lab) -> Seen:
    """An erase that a power cut interrupts leaves the drive locked with our password; the same wipe goes on."""
    slow = {**SECONDS, "erase": 600.0}
    only_erase = {"sanitize": [], "image": f"{HOME}/cut.img", "rotation": 7200}
    rounds = lab.rounds(2, 10)
    with lab.guest() as guest:
        BenchInGuest(guest)
        lies: list[str] = []
        for _ in range(rounds):
            with_lock = wish("CUT00001", *lies, **only_erase, seconds=slow)
            shelf = Shelf(guest, [with_lock])
            shelf.__enter__()
            if not lies:
                fill_chips(guest, shelf.image("CUT00001"))
            words = wipe_words(shelf.device("CUT00001"), "CUT00001")
            running = guest.start([*CLI, *words, "--json", "--home", f"{HOME}/station"])
            running.wait_for("erases itself", 240)
            hdparm = ["pgrep", "-f", "security-erase-enhanced"]
            guest.sh("for i in $(seq 240); do pgrep -f 'security-eras[e]-enhanced' && exit 0; sleep 0.5; done; exit 1")
            assert guest.run(hdparm).exit == 0
            guest.power_cut()
            guest.boot()
            lies = ["locked-ours"]
        with Shelf(guest, [wish("CUT00001", *lies, **only_erase, seconds=SECONDS)]) as last:
            report = ask(guest, *wipe_words(last.device("CUT00001"), "CUT00001"))
            assert report["outcome"] == "DONE" and report["claim"] == "purge", report
            assert not in_chips(guest, last, "CUT00001")
            assert last.ask("CUT00001", "facts")["security"] & 2 == 0
        events = ask(guest, "journal")
        done = [row for row in events.get("events", []) if row["kind"] == "medium.wiped"]
        assert len(done) == 1, done
    return Seen(f"{rounds} power cuts in mid-erase, false DONE 0; unlocked, erased again and DONE in the end")


SCENARIOS = (
    Scenario("ata-lies", "no lie of a SATA drive that can be seen ends DONE", lies, minutes=35),
    Scenario("ata-left-behind", "drives found locked or frozen are opened or refused", left_behind, minutes=12),
    Scenario("ata-hidden", "what a SATA drive hides is found by numbers, given back, erased", hidden, minutes=12),
    Scenario("ata-interrupted", "an erase cut off by the power is not DONE, but done again", interrupted, minutes=15),
)  # fmt: skip
