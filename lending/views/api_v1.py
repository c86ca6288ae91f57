"""What programmes ask over HTTP, as `lending.contract` says. Every answer is JSON, every "no" a problem (RFC 9457).

A request goes through the same steps in the same order: token, scope, rate, path, query, body; then one use case. No
cookie is read or set. What a token may see is what its account may see.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import wraps
from http import HTTPStatus
from typing import Any, NoReturn

from flask import Blueprint, Response, current_app, g, request
from werkzeug.exceptions import HTTPException

from custody.errors import Refused
from lending import api_tokens, auth, contract, devices, lists, loans, paging, people, referrals
from lending.api_tokens import Bearer
from lending.contract import OPERATIONS, Operation, Wrong
from lending.rates import Rate
from lending.referrals import ReferralForm
from lending.views import api_shapes, refusals

blueprint = Blueprint("api_v1", __name__, url_prefix="/api/v1")
LARGEST_BODY = 1 << 20
DETAILS = {"form": 422, "date": 422, "cursor": 400, "key-reused": 422}


@dataclass(frozen=True)
class Asked:
    """One request, checked: who asks, the names in its path, its query and its body."""

    by: Bearer
    path: Mapping[str, str]
    state: str
    after: str
    limit: int
    body: Mapping[str, Any]


class Problem(Exception):
    """A request that is answered with a problem; `code` stays the same for ever, the words may change."""

    def __init__(
        self, status: int, code: str, detail: str, errors: tuple[Wrong, ...] = (), **headers: str
    ) -> None:
        """Keep the HTTP status, a stable code, the sentence, the places in the body and headers of the answer."""
        super().__init__(detail)
        self.status, self.code, self.detail, self.errors, self.headers = status, code, detail, errors, headers


@blueprint.get("/openapi.json")
@auth.public
def openapi() -> Response:
    """Give the contract."""
    return _tagged(contract.document(auth.services().config.host_address))


def devices_(asked: Asked) -> Response:
    """List devices."""
    with auth.services().db.read() as tx:
        found = lists.devices(tx, "", asked.state, asked.after, asked.limit)
    return _json(api_shapes.page(map(api_shapes.device, found.page.lines), found.page.after))


def device(asked: Asked) -> Response:
    """Give one device with what its history says now."""
    with auth.services().db.read() as tx:
        found = devices.page(tx, asked.path["code"], auth.services().now())
    return _tagged(api_shapes.device_detail(found))


def stock(asked: Asked) -> Response:
    """Count what there is to lend."""
    with auth.services().db.read() as tx:
        counts = lists.model_counts(tx)
    staff = bool(asked.by.actor.roles - {"partner"})
    return _json({"ready": counts.get("ready", 0), "states": counts if staff else {}})


def loans_(asked: Asked) -> Response:
    """List loans."""
    with auth.services().db.read() as tx:
        found = lists.loan_page(tx, asked.by.actor, asked.state, asked.after, asked.limit)
    return _json(api_shapes.page(map(api_shapes.loan, found.lines), found.after))


def loan(asked: Asked) -> Response:
    """Give one loan."""
    with auth.services().db.read() as tx:
        found = api_shapes.loan(loans.get(tx, asked.by.actor, asked.path["ref"]))
    return _tagged(found)


def change_loan(asked: Asked) -> Response:
    """Set the day a loan is due, if it is still as the programme read it."""
    services, ref, by = auth.services(), asked.path["ref"], asked.by.actor
    with services.db.transaction() as tx:
        _must_match(api_shapes.loan(loans.get(tx, by, ref)))
        due = asked.body["due"]
        loans.extend(tx, ref, date.fromisoformat(due) if due else None, by, services.now())
        found = api_shapes.loan(loans.get(tx, by, ref))
    return _tagged(found)


def referrals_(asked: Asked) -> Response:
    """List referrals."""
    with auth.services().db.read() as tx:
        found = lists.referral_page(tx, asked.by.actor, asked.state, asked.after, asked.limit)
    return _json(api_shapes.page(map(api_shapes.referral_line, found.lines), found.after))


def referral(asked: Asked) -> Response:
    """Give one referral."""
    with auth.services().db.read() as tx:
        found = api_shapes.referral(referrals.get(tx, asked.by.actor, asked.path["ref"]))
    return _tagged(found)


def refer(asked: Asked) -> Response:
    """Take a referral, once per key."""
    services, key, sent = auth.services(), request.headers.get("Idempotency-Key", ""), request.get_data()
    if not re.fullmatch(contract.IDEMPOTENCY_KEY, key):
        raise Problem(400, "idempotency-key", "send a header Idempotency-Key with 8 to 100 characters of your own")
    form = api_shapes.form(asked.body, ReferralForm)
    with services.db.transaction() as tx:
        ref = api_tokens.answered(tx, asked.by, key, sent)
        again = ref is not None
        if ref is None:
            within = services.config.region
            ref = referrals.refer(tx, asked.by.actor, form, services.now(), route="api", within=within)
            api_tokens.remember(tx, asked.by, key, sent, ref, services.now())
        found = api_shapes.referral(referrals.get(tx, asked.by.actor, ref))
    answer = _json(found, 201)
    answer.headers.update({"Location": f"/api/v1/referrals/{ref}", "ETag": f'"{_etag(found)}"'})
    if again:
        answer.headers["Idempotency-Replayed"] = "true"
    return answer


def partners_(asked: Asked) -> Response:
    """List partners."""
    with auth.services().db.read() as tx:
        found = api_shapes.partner_page(tx, asked.after, asked.limit)
    return _json(found)


def partner(asked: Asked) -> Response:
    """Give one partner."""
    with auth.services().db.read() as tx:
        found = api_shapes.partner(tx, int(asked.path["number"]))
    if found is None:
        raise Problem(404, "unknown-partner", f"there is no partner {asked.path['number']}")
    return _tagged(found)


VIEWS: Mapping[str, Callable[[Asked], Response]] = {
    "devices": devices_, "device": device, "stock": stock, "loans": loans_, "loan": loan, "change_loan": change_loan,
    "referrals": referrals_, "referral": referral, "refer": refer, "partners": partners_, "partner": partner,
}  # fmt: skip
"""Operation: what answers it."""


def _guarded(one: Operation) -> Callable[..., Response]:
    view = VIEWS[one.id]

    @wraps(view)
    def answer(**path: str) -> Response:
        by = _bearer()
        if one.scope not in by.scopes:
            raise Problem(403, "scope", f"this token does not allow {one.scope}; an administrator can make another")
        rate: Rate = current_app.extensions["kitbank_rate"]
        wait = rate.wait(f"token:{by.token_id}", auth.services().now())
        if wait:
            raise Problem(429, "throttled", f"too many requests; wait {wait} seconds", Retry_After=str(wait))
        for name, value in path.items():
            if not re.fullmatch(contract.PATTERNS[name], value):
                raise Problem(404, f"unknown-{one.id}", f"{value[:40]!r} is no {name} that is used here")
        return view(Asked(by, path, *_query(one), _body(one)))

    return auth.tokens(answer)


for _one in OPERATIONS:
    blueprint.add_url_rule(_one.rule, _one.id, _guarded(_one), methods=[_one.method])


def _bearer() -> Bearer:
    services = auth.services()
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and token.strip():
        with services.db.read() as tx:
            found = api_tokens.bearer(tx, token.strip(), services.now())
            due = found is not None and api_tokens.needs_note(tx, found.token_id, services.now())
        if found is not None:
            if due:
                with services.db.transaction() as tx:
                    api_tokens.note_use(tx, found.token_id, services.now())
            g.actor = found.actor
            return found
        _count_wrong()
    raise Problem(
        401, "token", "send a valid token: Authorization: Bearer kbt_…", WWW_Authenticate='Bearer realm="kitbank"'
    )


def _count_wrong() -> None:
    """Make guessing slow: wrong tokens are counted per address, in the database."""
    services, key = auth.services(), f"token:{request.remote_addr}"
    with services.db.transaction() as tx:
        people.refuse_if_throttled(tx, key, services.now())
        people.count_try(tx, key, services.now())


def _query(one: Operation) -> tuple[str, str, int]:
    known = {*(("state",) if one.states else ()), *(("after", "limit") if one.listed else ())}
    unknown = sorted(name for name in request.args if name not in known)
    if unknown:  # a misspelt name would otherwise change what is answered without a word
        said = f"{unknown[0][:40]!r} is no parameter here"
        raise Problem(400, "parameter", f"{said}; known: {', '.join(sorted(known)) or 'none'}")
    state, after, limit = (request.args.get(name, "") for name in ("state", "after", "limit"))
    if one.states and "state" in request.args and state not in one.states:
        raise Problem(400, "state", f"state is {state[:40]!r}; it must be one of {', '.join(one.states)}")
    if not one.listed:
        return "", "", 0
    if "after" in request.args and not after:
        raise Problem(400, "cursor", "after is empty; leave it out for the first page")
    if "limit" not in request.args:
        return state, after, paging.SIZE
    if not re.fullmatch("[0-9]{1,4}", limit) or not 1 <= int(limit) <= contract.MOST_LINES:
        raise Problem(400, "limit", f"limit is {limit[:20]!r}; it must be 1 to {contract.MOST_LINES}")
    return state, after, int(limit)


def _body(one: Operation) -> Mapping[str, Any]:
    if not one.body:
        return {}
    if request.mimetype != "application/json":
        raise Problem(415, "not-json", f"the body is {request.mimetype[:60] or 'of no type'}; send application/json")
    if (request.content_length or 0) > LARGEST_BODY:
        raise Problem(413, "too-large", f"send at most {LARGEST_BODY} bytes")
    try:
        found = json.loads(request.get_data(), parse_constant=_no_constant)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Problem(400, "not-json", f"the body is not JSON: {str(error)[:100]}") from error
    problems = contract.wrong(one.body, found)
    if "\\u0000" in json.dumps(found):
        problems.append(Wrong("", "a text has a NUL character"))
    if problems:
        text = "; ".join(f"{one.pointer or 'the body'}: {one.detail}" for one in problems)
        raise Problem(422, "form", text[:500], tuple(problems))
    return found  # type: ignore[no-any-return]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _must_match(now: Mapping[str, Any]) -> None:
    sent = request.headers.get("If-Match", "")
    if not sent.strip():
        raise Problem(428, "if-match", "send the ETag of what you read in a header If-Match")
    if sent.strip() != "*" and _etag(now) not in (one.strip().strip('"') for one in sent.split(",")):
        raise Problem(412, "changed", "it was changed since you read it; read it again, then decide")


def _json(data: object, status: int = 200) -> Response:
    return Response(json.dumps(data, ensure_ascii=False, default=str), status, mimetype="application/json")


def _tagged(data: Mapping[str, Any]) -> Response:
    tag = _etag(data)
    sent = (one.strip().removeprefix("W/").strip('"') for one in request.headers.get("If-None-Match", "").split(","))
    answer = Response(status=304) if request.method == "GET" and tag in sent else _json(data)
    answer.headers["ETag"] = f'"{tag}"'
    return answer


def _etag(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:32]


@blueprint.errorhandler(Problem)
def said_no(problem: Problem) -> Response:
    """Answer with a problem."""
    about: dict[str, Any] = {
        "type": "about:blank", "title": HTTPStatus(problem.status).phrase, "status": problem.status,
        "detail": problem.detail, "code": problem.code,
    }  # fmt: skip
    if problem.errors:
        about["errors"] = [one.to_json() for one in problem.errors]
    answer = Response(json.dumps(about, ensure_ascii=False), problem.status, mimetype="application/problem+json")
    answer.headers.update({name.replace("_", "-"): value for name, value in problem.headers.items()})
    return answer


@blueprint.errorhandler(Refused)
def refused(error: Refused) -> Response:
    """Answer what the rules do not allow, with every reason."""
    first = error.reasons[0].code if error.reasons else "refused"
    status = DETAILS.get(first, refusals.status(error))
    errors = tuple(Wrong(f"/{one.subject}" if one.code == "form" else "", one.text) for one in error.reasons)
    headers = {"Retry_After": "900"} if status == 429 else {}
    return said_no(Problem(status, first, "; ".join(one.text for one in error.reasons), errors, **headers))


def http_problem(error: HTTPException) -> Response:
    """Answer what Flask refuses (no such address, wrong method, too large), for every address of this interface."""
    status = error.code or 500
    answer = said_no(Problem(status, HTTPStatus(status).name.lower().replace("_", "-"), str(error.description)[:300]))
    for name, value in error.get_headers():
        if name.lower() == "allow":
            answer.headers[name] = value
    return answer


blueprint.register_error_handler(HTTPException, http_problem)
