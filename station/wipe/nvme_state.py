"""What an NVMe drive says it is doing: the sanitize log in the words of the contract, and its owner's lock."""

from station.media import Medium
from station.run import Runner
from station.wipe import nvme_ask as ask
from station.wipe import nvme_decode as decode
from station.wipe.methods import DriveState
from station.wipe.nvme_words import locked_words, state_words


def doing(run: Runner, medium: Medium) -> DriveState:
    """Return what the log says, without asking for locks."""
    log = ask.sanitize_log(run, medium)
    if log.value is not None:
        return phase_of(log.value, log.raw)
    if log.gone:
        return DriveState("gone", "the drive is gone")
    who = ask.controller(run, medium)
    if who.value is None:
        return DriveState("gone" if who.gone else "unknown", f"the drive does not answer: {who.why}")
    if not who.value.sanicap & 0b111:
        return DriveState("idle", "it has no sanitize, keeps no log of one, and answers")
    return DriveState("unknown", f"it offers sanitize and does not tell its state: {log.why}")


def phase_of(log: decode.SanitizeLog, raw: bytes) -> DriveState:
    """Put the log into the words of the contract; only "at work" has a progress, and FFFFh is never success."""
    phases = {decode.NEVER: "idle", decode.WORKING: "working", decode.FAILED: "failed"}
    return DriveState(
        phase=phases.get(log.status, "succeeded"),
        words=state_words(log),
        progress=log.share if log.status == decode.WORKING else None,
        raw=raw[:32].hex(),
        command=f"{log.command:#010x}",
    )


def log_in(raw: str) -> decode.SanitizeLog | None:
    """Return the log whose first 32 bytes a state has kept in hex; the rest of the page is reserved."""
    data = bytes.fromhex(raw)
    return decode.sanitize_log(data.ljust(decode.LOG_BYTES, b"\0")) if len(data) == 32 else None


def lock_of(run: Runner, medium: Medium, can: decode.Controller) -> tuple[str, str]:
    """Return what to say of a lock, and what to say when a drive that may have one does not tell."""
    if not can.has_security:
        return "", ""
    told = ask.lock(run, medium)
    if told.value is not None:
        return (locked_words() if told.value.locked else ""), ""
    if told.status == decode.ACCESS_DENIED:
        return locked_words(), ""
    return "", f"whether it is locked by a password of its owner is not known: {told.why}" if told.why else ""
