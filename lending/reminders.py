"""Reminders: a policy per type of loan, and from it who gets what, when and why not.

Rules:

- the day's plan is computed the same way for the dry run and for the outbox, and doing it twice sends nothing twice:
  the cause of a reminder is loan, type, day agreed and step;
- after a day without a worker only the newest step of a loan is sent, and none that is more than `CATCH_UP` old;
- no reminder goes to a loan whose reminders were stopped, to a way that the referral calls unsafe, to an address
  that said STOP, or beyond the most per week; who falls out is in the plan, with the reason;
- nobody is woken: quiet hours are hours of the clocks in `ZONE`, whatever season it is;
- everything is asked again at the last moment (`verdict`): what was right this morning may be wrong by noon.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from custody.errors import Reason, Refused
from lending import cards, outbox, recipients
from lending.db import Tx
from lending.message_config import MessageConfig
from lending.message_tables import MessagePolicy, MessageRow, MessageStop, MessageWording
from lending.message_texts import LOAN_TYPES, MACHINE, REVIEWED, SOURCE, SUBJECTS, Wording, kind_of, shipped
from lending.outbox import Draft
from lending.people import Actor, need
from lending.recipients import WAYS, Household, masked
from lending.segments import Size, plain, size

ZONE = ZoneInfo("Europe/London")
CATCH_UP = timedelta(days=3)
FURTHEST_STEP = 60
MOST_STEPS = 8
WEEK = timedelta(days=7)
ANSWERS = ("stopped", "help")


@dataclass(frozen=True)
class Policy:
    """How one type of loan is reminded of. `steps`: days from the day agreed. Quiet hours as `20:00`, local time."""

    loan_type: str
    active: bool = True
    steps: tuple[int, ...] = (-7, 0, 7)
    channels: tuple[str, ...] = ("sms", "email", "partner")
    quiet_from: str = "19:00"
    quiet_to: str = "09:00"
    per_week: int = 2
    copy_partner: bool = False
    plain: bool = True


@dataclass(frozen=True)
class Post:
    """What planning needs to know of this installation: how messages leave, and the address that links begin with."""

    config: MessageConfig
    host: str


@dataclass(frozen=True)
class Planned:
    """One reminder of the plan. `why_not` says why it will not be sent, and is empty where it will."""

    loan: str
    loan_type: str
    day: date
    step: int
    why_not: str = ""
    way: str = ""
    language: str = "en"
    to: str = ""
    shown_to: str = ""
    body: str = ""
    size: Size = field(default_factory=lambda: Size("GSM-7", 0, 0))
    cost: int = 0
    at: datetime | None = None
    address: str = ""
    copy: bool = False

    @property
    def cause(self) -> str:
        """Return why this message exists: the same however often the day is planned."""
        copy = ":copy" if self.copy else ""
        return f"reminder:{self.loan}:{self.loan_type}:{self.day.isoformat()}:{self.step}{copy}"


def policies(tx: Tx) -> dict[str, Policy]:
    """Return the policy of each type of loan; what nobody has changed is as shipped."""
    rows = {row.loan_type: row for row in tx.s.scalars(select(MessagePolicy))}
    return {name: _policy(rows[name]) if name in rows else Policy(name) for name in LOAN_TYPES}


def change(tx: Tx, policy: Policy, by: Actor, now: datetime) -> None:
    """Change a policy. Supervisor or administrator. Raises `Refused`: `role`, and a reason per wrong field."""
    need(by, "supervisor", "administrator")
    reasons = wrong_with(policy)
    if reasons:
        raise Refused(reasons)
    row = tx.s.get(MessagePolicy, policy.loan_type) or MessagePolicy(loan_type=policy.loan_type)
    row.active, row.steps, row.channels = policy.active, sorted(set(policy.steps)), list(policy.channels)
    row.quiet_from, row.quiet_to, row.per_week = policy.quiet_from, policy.quiet_to, policy.per_week
    row.copy_partner, row.plain, row.changed_at, row.changed_by = policy.copy_partner, policy.plain, now, by.account_id
    tx.s.add(row)
    tx.s.flush()


def wrong_with(policy: Policy) -> list[Reason]:
    """Return a reason per field that cannot stand, its `subject` being the field's name."""
    reasons = []

    def wrong(name: str, text: str) -> None:
        reasons.append(Reason("form", text, name))

    if policy.loan_type not in LOAN_TYPES:
        wrong("loan_type", f"there is no type of loan {policy.loan_type!r}")
    if len(set(policy.steps)) > MOST_STEPS or any(abs(step) > FURTHEST_STEP for step in policy.steps):
        wrong("steps", f"Enter up to {MOST_STEPS} days, none more than {FURTHEST_STEP} from the day agreed")
    if policy.active and not policy.steps:
        wrong("steps", "Enter at least one day, or switch these reminders off")
    if not policy.channels or len(set(policy.channels)) != len(policy.channels) or set(policy.channels) - set(WAYS):
        wrong("channels", "Choose at least one way, each once")
    for name, text in (("quiet_from", policy.quiet_from), ("quiet_to", policy.quiet_to)):
        if clock(text) is None:
            wrong(name, f"Enter a time such as 19:00, not {text[:10]!r}")
    if not 1 <= policy.per_week <= 7:
        wrong("per_week", "Enter how many messages a household may get in a week, 1 to 7")
    return reasons


def clock(text: str) -> time | None:
    """Return `20:00` as a time of day, None for what is none."""
    hours, colon, minutes = text.partition(":")
    if not (colon and hours.isdecimal() and minutes.isdecimal() and len(minutes) == 2 and text.isascii()):
        return None
    return time(int(hours), int(minutes)) if int(hours) < 24 and int(minutes) < 60 else None


def allowed_from(moment: datetime, quiet_from: str, quiet_to: str) -> datetime:
    """Return the first moment from `moment` on that is not within quiet hours by the clocks of `ZONE`.

    A quiet time that ends in the hour which the clocks skip in March ends when they have skipped it.
    """
    start, stop = clock(quiet_from) or time(19), clock(quiet_to) or time(9)
    here = moment.astimezone(ZONE)
    at = here.timetz().replace(tzinfo=None)
    if start == stop or not (start <= at < stop if start < stop else at >= start or at < stop):
        return moment
    ends = here.date() if at < stop else here.date() + timedelta(days=1)
    return max(moment, datetime.combine(ends, stop, ZONE).astimezone(moment.tzinfo))


def wording(tx: Tx, kind: str, language: str) -> Wording:
    """Return the text in force: the office's own, or the one that is shipped."""
    row = tx.s.get(MessageWording, (kind, language))
    if row is None:
        return shipped(kind, language)
    unread = SOURCE if language == "en" else MACHINE
    return Wording(kind, language, row.body, REVIEWED if row.reviewed else unread, own=True)


def plan(tx: Tx, post: Post, now: datetime) -> list[Planned]:
    """Return who would get what on the day of `now`, and who falls out and why. Writes nothing.

    Raises `VaultError` when contact data cannot be opened.
    """
    today, found = now.astimezone(ZONE).date(), []
    week: dict[str, int] = {}
    for policy in policies(tx).values():
        if not policy.active or not policy.steps:
            continue
        first = today - CATCH_UP - timedelta(days=max(policy.steps))
        last = today - timedelta(days=min(policy.steps))
        for loan, loan_type, day in recipients.due_days(tx, first, last):
            step = _newest_step(policy.steps, day, today) if loan_type == policy.loan_type else None
            if step is not None:
                found.extend(_planned(tx, post, policy, Planned(loan, loan_type, day, step), now, week))
    return found


def enqueue_day(tx: Tx, post: Post, now: datetime) -> int:
    """Put the day's reminders into the outbox; return how many are new. May be called as often as one likes."""
    made = 0
    for one in plan(tx, post, now):
        if one.why_not or one.at is None:
            continue
        cards.keep(tx, one.loan, now)
        kind = "copy" if one.copy else kind_of(one.loan_type, one.step)
        draft = Draft(
            cause=one.cause, kind=kind, channel=one.way, language=one.language, to=one.to,
            subject=subject(one.way, one.loan, one.language), body=one.body, address=one.address, loan=one.loan,
            segments=one.size.parts, cost=one.cost, due_at=one.at, not_after=_stale_from(one),
        )  # fmt: skip
        made += outbox.enqueue(tx, draft, now) is not None
    return made


def verdict(tx: Tx, row: MessageRow, now: datetime) -> str | datetime | None:
    """Say at the last moment whether a message may still go: why not, from when, or None."""
    if row.kind in ANSWERS or row.kind == outbox.ACCOUNT:  # about no loan
        return None
    if row.address and tx.s.get(MessageStop, row.address) is not None:
        return "they said STOP"
    policy = policies(tx)["device"]
    if row.cause.startswith("reminder:") and row.loan is not None:
        _, loan, loan_type, day = row.cause.split(":")[:4]
        policy = policies(tx).get(loan_type, policy)
        if recipients.reminders_stopped(tx, loan):
            return "reminders of this loan were stopped"
        if not policy.active:
            return "these reminders were switched off"
        if not recipients.still_due(tx, loan, loan_type, date.fromisoformat(day)):
            return "it came back, or the day was changed"
    if row.loan is None:
        return "the loan is not kept any more"
    home = recipients.household(tx, row.loan)
    if row.channel not in home.ways:
        return home.why_not.get(row.channel, "this way is closed")
    if home.address_key(tx, row.channel) != row.address:
        return "the address was changed"
    later = allowed_from(now, policy.quiet_from, policy.quiet_to)
    return later if later > now and row.channel != "letter" else None


def subject(way: str, loan: str, language: str) -> str:
    """Return the subject of an e-mail."""
    return f"Loan {loan}" if way == "partner" else SUBJECTS.get(language, SUBJECTS["en"])


def for_partner(post: Post, loan: str, loan_type: str, day: date, step: int) -> str:
    """Return what a referring worker is told: the loan's reference, never the household."""
    what = "The data plan" if loan_type == "sim" else "The loan"
    when = f"{day.day} {day:%B %Y}"
    said = "is agreed until today" if step == 0 else f"{'is' if step < 0 else 'was'} agreed until {when}"
    return f"{post.config.sender}: {what} {loan} {said}. {post.host}/loans/{loan}"


def _planned(
    tx: Tx, post: Post, policy: Policy, one: Planned, now: datetime, week: dict[str, int]
) -> list[Planned]:
    if recipients.reminders_stopped(tx, one.loan):
        return [_out(one, "reminders of this loan are stopped")]
    home = recipients.household(tx, one.loan)
    way = next((way for way in policy.channels if way in home.ways and post.config.carries(way)), "")
    if not way:
        return [_out(one, _why_no_way(policy, home, post.config))]
    first = written(tx, post, policy, home, way, one, now)
    new = tx.s.scalar(select(MessageRow.id).where(MessageRow.cause == first.cause)) is None
    if new and way != "partner":
        had = week.setdefault(first.address, _this_week(tx, first.address, now))
        if had >= policy.per_week:
            return [_out(one, f"had {policy.per_week} messages in a week already")]
        week[first.address] = had + 1
    found = [first]
    if policy.copy_partner and way != "partner" and "partner" in home.ways and post.config.carries("partner"):
        found.append(written(tx, post, policy, home, "partner", one, now, copy=True))
    return found


def written(
    tx: Tx, post: Post, policy: Policy, home: Household, way: str, one: Planned, now: datetime, *, copy: bool = False
) -> Planned:
    """Return a planned reminder with its text, what it costs and when it goes."""
    if way == "partner":
        language, body = "en", for_partner(post, one.loan, one.loan_type, one.day, one.step)
    else:
        text = wording(tx, kind_of(one.loan_type, one.step), home.language)
        language = text.language
        body = text.filled(sender=post.config.sender, link=cards.link(tx, post.host, one.loan), day=one.day)
        body = plain(body) if policy.plain and way == "sms" else body
    fits = size(body) if way == "sms" else Size("", len(body), 1)
    return Planned(
        one.loan, one.loan_type, one.day, one.step, way=way, language=language, to=home.ways[way],
        shown_to=masked(way, home.ways[way]), body=body, size=fits, cost=post.config.cost(way, fits.parts),
        at=now if way == "letter" else allowed_from(now, policy.quiet_from, policy.quiet_to),
        address=home.address_key(tx, way), copy=copy,
    )  # fmt: skip


def _out(one: Planned, why: str) -> Planned:
    return Planned(one.loan, one.loan_type, one.day, one.step, why_not=why)


def _why_no_way(policy: Policy, home: Household, config: MessageConfig) -> str:
    said = [
        f"{recipients.WAY_WORDS[way]}: {home.why_not.get(way, '') or 'nothing is set up that sends it'}"
        for way in policy.channels
        if way not in home.ways or not config.carries(way)
    ]
    return "; ".join(said)


def _newest_step(steps: Sequence[int], day: date, today: date) -> int | None:
    """Return the newest step whose time has come, if that is not too long ago."""
    come = [step for step in steps if today - CATCH_UP <= day + timedelta(days=step) <= today]
    return max(come, default=None)


def _this_week(tx: Tx, address: str, now: datetime) -> int:
    query = select(func.count()).where(
        MessageRow.address == address, MessageRow.queued_at > now - WEEK, MessageRow.queued_at <= now,
        MessageRow.cause.startswith("reminder:"), MessageRow.state.not_in(("failed", "cancelled")),
    )  # fmt: skip
    return tx.s.scalar(query) or 0


def _stale_from(one: Planned) -> datetime:
    """Return from when a reminder would say something that is not so any more."""
    last = one.day if one.step <= 0 else one.day + timedelta(days=one.step) + WEEK
    return datetime.combine(last + timedelta(days=1), time(0), ZONE)


def _policy(row: MessagePolicy) -> Policy:
    return Policy(
        row.loan_type, row.active, tuple(row.steps), tuple(row.channels), row.quiet_from, row.quiet_to, row.per_week,
        row.copy_partner, row.plain,
    )  # fmt: skip


def preview(tx: Tx, post: Post, policy: Policy, today: date) -> dict[str, Mapping[str, tuple[Wording, str, Size, int]]]:
    """Return per kind and language the text as it would go out, its size and its cost in hundredths of a penny."""
    found: dict[str, dict[str, tuple[Wording, str, Size, int]]] = {}
    for step in sorted({-1 if step < 0 else 0 if step == 0 else 1 for step in policy.steps}):
        kind = kind_of(policy.loan_type, step)
        for language in recipients.LANGUAGES:
            text = wording(tx, kind, language)
            link = f"{post.host}/l/{'x' * cards.LENGTH}"
            body = text.filled(sender=post.config.sender, link=link, day=today)
            body = plain(body) if policy.plain else body
            fits = size(body)
            found.setdefault(kind, {})[language] = (text, body, fits, post.config.cost("sms", fits.parts))
    return dict(found)
