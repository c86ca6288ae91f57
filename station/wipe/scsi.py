"""The SCSI engine (SAS and other SCSI disks): SANITIZE and FORMAT UNIT, begun by sg3-utils, believed by raw sense data.

A SCSI disk keeps no word of success: after a sanitize it merely has nothing to complain of, as before. So an erase
counts only when the disk was *seen* at work (04h/1Bh sanitizing, 04h/04h formatting) and then had nothing to complain
of; one that was never seen at work does not count, however its tool ended.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from custody.claims import Claim, Firmware
from station.errors import NotDone
from station.media import Medium, medium_at
from station.run import Runner
from station.wipe.firmware import Attempt, attend
from station.wipe.methods import Act, Capabilities, DriveState, Method, Unhidden
from station.wipe.scsi_ask import (
    BLOCK_ERASE,
    CRYPTO_ERASE,
    FORMAT_UNIT,
    OVERWRITE,
    SANITIZE,
    ask_sense,
    ask_serial,
    block_counts,
    state_of,
    supports,
)

BLOCKS = Path("/sys/class/block")
RESIZE_DEADLINE, SETTLE_DEADLINE = 120.0, 30.0  # seconds
_GOES_ON = "It cannot be stopped: the drive goes on by itself, also after a power cut. Keep it powered."
_UNUSABLE = "It cannot be stopped. Without power the drive is unusable until it is formatted again. Keep it powered."
_ACTIONS = {"sanitize-crypto": CRYPTO_ERASE, "sanitize-block": BLOCK_ERASE, "sanitize-overwrite": OVERWRITE}
_HOW = {
    "sanitize-crypto": ("--crypto",),
    "sanitize-block": ("--block",),
    "sanitize-overwrite": ("--overwrite", "--zero"),
}
_WHY = {True: "", False: "the drive does not know this command", None: "the drive does not say whether it knows this"}

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        **{name: Method(name, name, (), Claim.PURGE, stoppable=False, cancel=_GOES_ON) for name in _ACTIONS},
        "format-user": Method("format-user", "format-user", (), Claim.CLEAR, stoppable=False, cancel=_UNUSABLE),
    }
)


def read(run: Runner, medium: Medium) -> Capabilities:
    """Return what a disk offers, by asking it for each command; a disk that does not say is not believed to have it.

    While it erases it answers hardly anything; then everything is listed, so that an erase that was begun can be
    waited for, and the note says that it was not asked.
    """
    sense, trouble = ask_sense(run, medium.path)
    if state_of(sense, trouble).phase == "working":
        return Capabilities(METHODS, notes=("it is erasing itself and was not asked what it offers",))
    answers = {name: supports(run, medium.path, SANITIZE, action) for name, action in _ACTIONS.items()}
    answers["format-user"] = supports(run, medium.path, FORMAT_UNIT)
    shown, by_default = block_counts(run, medium.path)
    blocks = medium.size // medium.sector_size
    hidden = {name: count for name, count in (("shown", shown), ("native", by_default)) if count is not None}
    return Capabilities(
        methods={name: METHODS[name] for name, known in answers.items() if known},
        hidden_areas=_hidden(blocks, shown, by_default),
        refused={name: _WHY[known] for name, known in answers.items() if not known},
        hidden=hidden,
        notes=(trouble,) if trouble else (),
        facts={"supported": dict(answers), "sense": sense.raw if sense else None, "blocks": blocks},
    )


def _hidden(blocks: int, shown: int | None, by_default: int | None) -> str:
    """Compare what the kernel, the disk and its defaults say of its size; only agreement of all three is "none"."""
    if shown is None or by_default is None or shown != blocks:
        return "unknown"
    return "present" if by_default > shown else "none" if by_default == shown else "unknown"


def state(run: Runner, medium: Medium) -> DriveState:
    """Return what the disk says it is doing; an idle one may never have done anything."""
    return state_of(*ask_sense(run, medium.path))


def ready(act: Act) -> tuple[str, ...]:
    """See that nothing else is going on in the disk. Raises NotDone while it still erases for somebody else."""
    now = state(act.run, act.medium)
    if now.phase == "working" and act.issued is None:
        raise NotDone(
            f"{act.medium.path} is busy with an erase that this station did not begin ({now.words}); keep it powered "
            "and start again when it has finished"
        )
    if now.phase == "failed" and act.issued is None:
        return ("The drive said of an earlier erase that it had failed.",)
    return ()


def act(act: Act) -> Firmware:
    """Begin the erase and watch the disk at work; see the module for what is believed."""
    before = state(act.run, act.medium)
    if act.issued is not None:
        before = replace(before, raw=str(act.issued.get("raw_before", "")))
    serial = ask_serial(act.run, act.medium.path)
    # nothing in a SCSI disk's sense data names a command, so a changed status alone never counts
    told = attend(act, Attempt(argv(act.method.name, act.medium.path), before, lambda final: False), _watched(act))
    with suppress(OSError):  # the claimed handle is asked for size and identity next, and says what it finds
        _look_again(act.run, act.medium.path)
    # the kernel and udev keep the identity that they read first, so the disk itself is asked
    now = ask_serial(act.run, act.medium.path)
    if told.succeeded and now != serial:
        words = f"another drive answers after the erase: serial {now or 'none'}, before {serial or 'none'}"
        return replace(told, succeeded=False, status=words)
    return told


def shown_again(run: Runner, medium: Medium) -> str:
    """Have the kernel look once more at a disk that shows no size; return what the disk is at, "" when it is idle.

    After a power cut in the middle of an erase a disk comes up without a capacity, and the kernel keeps that for good
    (see `_look_again`), although the erase has ended since.
    """
    now = state(run, medium)
    if now.phase == "working":
        return now.words
    with suppress(OSError):  # then it goes on showing no size, and is refused for that
        _look_again(run, medium.path)
    return ""


def _look_again(run: Runner, path: str) -> None:
    """Make the kernel ask the disk for its capacity again, and wait for udev. Raises OSError.

    A disk that sanitizes answers READ CAPACITY with NOT READY (04h/1Bh), and Linux takes that for a capacity of 0
    (drivers/scsi/sd.c, sd_revalidate_disk; seen in the lab): until it is made to look, the drive seems to be gone.
    """
    (BLOCKS / Path(path).name / "device/rescan").write_text("1", "ascii")
    run(("udevadm", "settle", "--timeout=20"), SETTLE_DEADLINE)


def argv(method: str, path: str) -> tuple[str, ...]:
    """Return the command line that begins a method; raises ValueError for a method that is not this engine's."""
    if method in _HOW:
        return ("sg_sanitize", *_HOW[method], "--ause", "--early", "--quick", path)
    if method == "format-user":
        return ("sg_format", "--format", "--early", "--quick", path)
    raise ValueError(f"{method!r} is no method for SCSI disks; these are: {', '.join(METHODS)}")


def _watched(act: Act) -> Callable[[], DriveState]:
    """Return a look at the disk that takes silence after work for success, and silence without work for nothing."""
    worked = act.seen_working

    def look() -> DriveState:
        nonlocal worked
        now = state(act.run, act.medium)
        worked = worked or now.phase == "working"
        if now.phase == "idle" and worked:
            return replace(now, phase="succeeded", words="the drive was at work and has nothing to complain of")
        return now

    return look


def unhide(act: Act) -> Unhidden:
    """Give the disk its whole size back (the number of blocks of its defaults). Raises NotDone when it keeps it."""
    path = act.medium.path
    act.note("resize", path=path)
    act.run(("sg_format", "--resize", "--count=-1", "--long", "--quick", path), RESIZE_DEADLINE)
    try:
        _look_again(act.run, path)
    except OSError as error:
        text = f"the kernel did not look at {path} again ({error.strerror}); unplug it and put it back"
        raise NotDone(text) from error
    size = medium_at(path).size
    shown, by_default = block_counts(act.run, path)
    if _hidden(size // act.medium.sector_size, shown, by_default) != "none":
        raise NotDone(f"{path} keeps part of its capacity hidden ({shown} of {by_default} blocks); destroy it")
    before = act.medium.size // act.medium.sector_size
    return Unhidden("removed", size, {"before": before, "after": shown or 0}, ("A reduced capacity was restored.",))
