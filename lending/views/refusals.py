"""How "no" is shown: every reason, and for each where to take the device or what to do. One handler, page or JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flask import g, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from custody.errors import Reason, Refused

BENCH, DESK, SUPERVISOR, ADMINISTRATOR = "Bench", "Loan desk", "Supervisor", "Administrator"

ADVICE: Mapping[str, tuple[str, str]] = {
    "not-registered": (BENCH, "Take it to a bench and register it under this label."),
    "merged": (DESK, "Use the record it was merged into; put the old label out of use."),
    "duplicate-record": (ADMINISTRATOR, "Keep the device back until the two records are one."),
    "not-in-hand": (DESK, "If it is in front of you, receive it first; then it goes to the bench."),
    "locked": (SUPERVISOR, "Keep it apart. Only the donor can take the lock off."),
    "not-tested": (BENCH, "Run the tests, electrical safety included."),
    "test-not-passed": (BENCH, "Repair it and test again, or set it aside for parts."),
    "grade-too-low": (SUPERVISOR, "Repair it and grade it again, or set it aside."),
    "no-inventory": (BENCH, "Sync the station, then let it look inside the device."),
    "inventory-old": (BENCH, "Let a station look inside the device again."),
    "medium-unidentified": (SUPERVISOR, "Replace the drive or have it destroyed."),
    "medium-retired": (BENCH, "Look inside again: the drive should not be there."),
    "medium-elsewhere": (BENCH, "Look inside both devices again."),
    "medium-missing": (BENCH, "Look for the drive; if it is gone, two people say so in a new inventory."),
    "wipe-before-exit": (BENCH, "Wipe it again: somebody had it since the last wipe."),
    "not-wiped": (BENCH, "Wipe it."),
    "check-disagreed": (BENCH, "Wipe it again, then have it checked again."),
    "wipe-unknown": (BENCH, "Keep it apart and wipe it again."),
    "medium-stranger": (BENCH, "Wipe this drive here, after a new inventory."),
    "claim-too-low": (BENCH, "Wipe it with a stronger profile."),
    "not-checked": (BENCH, "Ask a second person to check the wipe."),
    "not-accepted": (SUPERVISOR, "Read the record of the wipe and decide about it (Checks); not who wiped it."),
    "turned-down": (BENCH, "Wipe it again, or take the drive out and let it go where it was meant to."),
    "recalled": (SUPERVISOR, "Keep it apart and take another device. The recall says what is done about it."),
    "breach-open": ("", "The data-protection lead decides about it on the page Breaches."),
    "open-lines": ("", "Work through the open lines; then the recall can be closed."),
    "reserved": (DESK, "Take another device, or give up the other reservation first."),
    "out": (DESK, "It is on loan by our record. If it is in front of you, receive it first."),
    "unknown-device": (BENCH, "Check the label. If the code is right, register the device at a bench."),
    "filter-not-verified": (DESK, "Open the loan, choose Content filter, try it on the device, record what you saw."),
    "filter-failed": (BENCH, "Put a content filter on, or take another device; then try it again and record it."),
    "filter-gone": (DESK, "Try the filter again on the device itself, and record what you saw."),
    "gifts-off": (SUPERVISOR, "The programme's setting decides that; ask an administrator (KITBANK_GIFTS)."),
    "reported": (DESK, "Receive it if it is here. If the report was a mistake, set it aside."),
    "nothing-packed": (DESK, "Choose a device and pack what goes along with it."),
    "changed": (DESK, "Show the household the words as they are now, then let them agree again."),
    "nothing": (DESK, "Add the things to the loan, then show the agreement."),
    "throttled": ("", "If you forgot your password, ask an administrator for a new link."),
}
"""Reason code: where to take it, and what to do there."""

STATUS = {"role": 403, "throttled": 429}


@dataclass(frozen=True)
class Answer:
    """One reason as a screen shows it."""

    code: str
    text: str
    subject: str
    where: str
    advice: str


@dataclass(frozen=True)
class Setting:
    """What a view was doing: the refusal's heading, the way back and the device it was about."""

    title: str
    back: str
    back_text: str
    device: str = ""
    verdict: str = ""


def answers(reasons: Iterable[Reason]) -> list[Answer]:
    """Return the reasons with the advice that belongs to each."""
    return [Answer(r.code, r.text, r.subject, *ADVICE.get(r.code, ("", ""))) for r in reasons]


def doing(title: str, back: str, back_text: str, device: str = "", verdict: str = "") -> None:
    """Say before a use case is called what should be shown if it refuses."""
    g.refusal = Setting(title, back, back_text, device, verdict)


def wants_json() -> bool:
    """Tell whether a machine asks: it gets JSON instead of a page."""
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], "text/html")
    return request.path.startswith("/api/") or best == "application/json"


def status(refused: Refused) -> int:
    """Return the HTTP status of a refusal: 403 role, 404 unknown, 429 throttled, else 409."""
    first = refused.reasons[0].code if refused.reasons else ""
    return 404 if first.startswith("unknown-") else STATUS.get(first, 409)


def page(refused: Refused) -> ResponseReturnValue:
    """Answer a request that the rules do not allow."""
    if wants_json():
        reasons = [reason.to_json() for reason in refused.reasons]
        return jsonify(error=reasons[0]["code"] if reasons else "refused", reasons=reasons), status(refused)
    setting = g.get("refusal") or Setting("This is not allowed", "/", "Go to the first page")
    return render_template("refused.html", setting=setting, answers=answers(refused.reasons)), status(refused)
