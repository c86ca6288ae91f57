"""E-mails of the service to people with an account: links for signing in, and word of what changed.

They go through the outbox like every message: sealed until sent, sent once, and with a life no longer than what they
say. Nothing of a link is kept in clear, here or in any log.
"""

from datetime import datetime, timedelta

from lending import outbox
from lending.db import Tx
from lending.outbox import Draft

NEWS_LIFE = timedelta(days=2)


def send(tx: Tx, to: str, subject: str, body: str, cause: str, now: datetime, life: timedelta = NEWS_LIFE) -> None:
    """Put an e-mail into the outbox; of the same `cause` only the first. After `life` it is not sent any more.

    Raises `VaultError` when the keys that seal it are not at hand.
    """
    draft = Draft(
        cause=cause, kind=outbox.ACCOUNT, channel="email", language="en", to=to, subject=subject, body=body,
        address=tx.vault.fingerprint("email", to), loan=None, segments=1, cost=0, due_at=now, not_after=now + life,
    )  # fmt: skip
    outbox.enqueue(tx, draft, now)


def link(tx: Tx, to: str, name: str, address: str, key: str, now: datetime, life: timedelta) -> None:
    """Send a link that signs in. `key` names it without giving it away."""
    minutes = int(life.total_seconds() // 60)
    body = (
        f"Hello {name},\n\nopen this link to sign in to Kitbank. It works once, for {minutes} minutes:\n\n{address}\n\n"
        "You did not ask for it? Then do nothing. Nobody can sign in without this e-mail.\n"
    )
    send(tx, to, "Your link to sign in to Kitbank", body, f"sign-in-link:{key}", now, life)


def address_change(tx: Tx, to: str, address: str, old: bool, key: str, now: datetime, life: timedelta) -> None:
    """Ask one of two mailboxes to confirm a change of address."""
    said = "wants to use another e-mail address" if old else "wants to use this e-mail address"
    body = (
        f"Somebody with a Kitbank account {said}.\n\nIf that is you, open this link and press the button. The change "
        f"counts when both the old and the new address have confirmed it:\n\n{address}\n\n"
        + ("If it is not you, do not open it, and tell an administrator at once.\n" if old else "If not, do nothing.\n")
    )
    send(tx, to, "Confirm the change of your e-mail address", body, f"address-change:{key}", now, life)


def news(tx: Tx, to: str, what: str, key: str, now: datetime) -> None:
    """Tell somebody what changed about signing in with their account."""
    body = (
        f"{what}\n\nIf this was you, there is nothing to do. If not, tell an administrator at once: they can sign you "
        "out everywhere.\n"
    )
    send(tx, to, "Your Kitbank account: something changed", body, f"account-news:{key}", now)
