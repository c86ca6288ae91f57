"""Texts through a house with an HTTP interface, and GOV.UK Notify.

An answer of 4xx, 429 or 503 is a "no" that was said; a connection that was never made carried nothing. Everything
else after the request began (a time-out, a line that broke, another 5xx, an answer that cannot be read) leaves us
unsure, and the house is asked by our reference before anything else happens.

Notify's client and its answers: https://docs.notifications.service.gov.uk/python.html (reference, statuses, errors).
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import requests
from notifications_python_client.errors import APIError
from notifications_python_client.notifications import NotificationsAPIClient
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from lending.message_config import HttpSpec, NotifySpec
from lending.transports import Answer, Found, Going, NotSent, Outgoing, Receipt, Unsure, filled

NO_BUT_LATER = frozenset({429, 503})
LONGEST_WAIT = 3600.0
"""Seconds: a house that asks us to wait longer is tried again after an hour all the same."""

NOTIFY_FAILED = frozenset(
    {"permanent-failure", "temporary-failure", "technical-failure", "validation-failed", "cancelled"}
)


class HttpTransport:
    """A text-message house, described by its specification."""

    def __init__(self, spec: HttpSpec) -> None:
        """Take how the house wants to be spoken to."""
        self.name, self.spec = spec.name, spec
        self.asks, self.keyed, self.settle = bool(spec.status_url), bool(spec.idempotency_header), spec.settle

    def send(self, out: Outgoing, going: Going) -> Receipt:
        """Send one text; see the module for what each answer means."""
        spec = self.spec
        values = {"to": out.to, "body": out.body, "ref": out.ref, "secret": spec.secret}
        headers = {name: filled(text, values) for name, text in spec.headers.items()}
        if spec.idempotency_header:
            headers[spec.idempotency_header] = out.ref
        data = {name: filled(text, values) for name, text in spec.fields.items()}
        with _session() as session:
            request = requests.Request(
                spec.method, spec.url, headers=headers,
                json=data if spec.encoding == "json" else None, data=data if spec.encoding == "form" else None,
            )  # fmt: skip
            try:
                prepared = session.prepare_request(request)
            except (requests.RequestException, ValueError) as error:
                raise NotSent(f"the request cannot be made ({type(error).__name__})", permanent=True) from error
            going()
            try:
                answer = session.send(prepared, timeout=spec.timeout, allow_redirects=False)
            except requests.RequestException as error:
                raise _broken(error) from error
        _refuse(answer.status_code, answer.headers)
        return Receipt(_dig(_parsed(answer), spec.id_field))

    def ask(self, out: Outgoing) -> Answer:
        """Ask the house for our reference: 404 or an empty list means that it is not there."""
        spec = self.spec
        values = {"ref": quote(out.ref, safe=""), "secret": spec.secret}
        headers = {name: filled(text, values) for name, text in spec.headers.items()}
        try:
            with _session() as session:
                url = filled(spec.status_url, values)
                answer = session.get(url, headers=headers, timeout=spec.timeout, allow_redirects=False)
        except requests.RequestException as error:
            return Answer(Found.UNCLEAR, text=f"the house could not be asked ({type(error).__name__})")
        if answer.status_code == 404:
            return Answer(Found.ABSENT)
        if answer.status_code != 200:
            return Answer(Found.UNCLEAR, text=f"the house answered {answer.status_code} when asked")
        data = _parsed(answer)
        if data in ([], {}):
            return Answer(Found.ABSENT)
        state = _dig(data, spec.status_field)
        if not state:
            return Answer(Found.UNCLEAR, text="the house's answer has no status")
        failed = state.casefold() in {one.casefold() for one in spec.status_failed}
        return Answer(Found.FAILED if failed else Found.SENT, _dig(data, spec.id_field), f"the house says {state}")


class NotifyTransport:
    """GOV.UK Notify through its own client."""

    asks, keyed = True, False

    def __init__(self, spec: NotifySpec) -> None:
        """Take the key and the templates. The client is made for each message: it is not safe between threads."""
        self.name, self.spec, self.settle = spec.name, spec, spec.settle

    def send(self, out: Outgoing, going: Going) -> Receipt:
        """Send one message by the template of its channel."""
        template = {
            "sms": self.spec.sms_template, "email": self.spec.email_template, "letter": self.spec.letter_template,
        }[out.channel]  # fmt: skip
        if not template:
            raise NotSent(f"no Notify template is configured for {out.channel}", permanent=True)
        client = self._client()
        going()
        try:
            said = self._post(client, template, out)
        except APIError as error:
            raise _notify_broken(error) from error
        found = said.get("id") if isinstance(said, dict) else None
        if not found:
            raise Unsure("Notify's answer has no id")
        return Receipt(str(found))

    def ask(self, out: Outgoing) -> Answer:
        """Ask Notify for everything with our reference."""
        try:
            said = self._client().get_all_notifications(reference=out.ref)
            found = said["notifications"]
        except (APIError, KeyError, TypeError) as error:
            return Answer(Found.UNCLEAR, text=f"Notify could not be asked ({type(error).__name__})")
        if not found:
            return Answer(Found.ABSENT)
        state = str(found[0].get("status", ""))
        kind = Found.FAILED if state in NOTIFY_FAILED else Found.SENT
        return Answer(kind, str(found[0].get("id", "")), f"Notify says {state}")

    def _client(self) -> Any:
        make: Any = NotificationsAPIClient  # it says that it is typed and is not
        client = make(self.spec.secret, base_url=self.spec.url, timeout=self.spec.timeout)
        client.request_session.trust_env = False
        return client

    def _post(self, client: Any, template: str, out: Outgoing) -> Any:
        with client.request_session:
            if out.channel == "sms":
                return client.send_sms_notification(out.to, template, {"body": out.body}, out.ref)
            if out.channel == "email":
                words = {"subject": out.subject, "body": out.body}
                return client.send_email_notification(out.to, template, words, out.ref)
            lines = {f"address_line_{number}": line for number, line in enumerate(out.to.splitlines()[:7], 1)}
            return client.send_letter_notification(template, {**lines, "body": out.body}, out.ref)


def _session() -> requests.Session:
    """Return a session that takes nothing from the environment: no proxy, no netrc."""
    session = requests.Session()
    session.trust_env = False
    return session


def _broken(error: Exception) -> NotSent | Unsure:
    """Tell a connection that was never made from one that broke."""
    seen: BaseException | None = error.args[0] if error.args and isinstance(error.args[0], BaseException) else None
    if isinstance(seen, MaxRetryError):
        seen = seen.reason
    if isinstance(error, requests.ConnectTimeout) or isinstance(seen, NewConnectionError | ConnectTimeoutError):
        return NotSent("the message house could not be reached")
    return Unsure(f"the connection broke before the answer ({type(error).__name__})")


def _notify_broken(error: APIError) -> NotSent | Unsure:
    if error.response is not None:
        try:
            _refuse(error.response.status_code, error.response.headers)
        except (NotSent, Unsure) as said:
            return said
        return Unsure("Notify's answer cannot be read")
    return _broken(error.__cause__) if isinstance(error.__cause__, Exception) else Unsure("Notify gave no answer")


def _refuse(status: int, headers: Mapping[str, str]) -> None:
    """Return for an answer that says yes; raise what any other means."""
    if 200 <= status < 300:
        return
    if status in NO_BUT_LATER:
        raise NotSent(f"the message house is busy ({status})", wait=_wait(headers.get("Retry-After", "")))
    if 400 <= status < 500:
        raise NotSent(f"the message house refused the message ({status})", permanent=status not in (401, 403, 408))
    raise Unsure(f"the message house answered {status}")


def _wait(text: str) -> float:
    return min(float(text), LONGEST_WAIT) if text.isascii() and text.isdecimal() else 0.0


def _parsed(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except (ValueError, json.JSONDecodeError):
        return None


def _dig(data: Any, path: str) -> str:
    """Return what lies at `a.b.0.c` in an answer, as text, or nothing."""
    for part in path.split(".") if path else ():
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and part.isdecimal() and int(part) < len(data):
            data = data[int(part)]
        else:
            return ""
    return str(data)[:120] if path and isinstance(data, str | int) else ""
