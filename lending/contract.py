"""The contract of the programming interface: every operation and every shape once, as data.

The routes are registered from `OPERATIONS`, what comes in is checked against these same schemas, and `document`
writes them down as OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0, whose schemas are JSON Schema 2020-12). So the
document cannot say anything else than the service does. Words that may be chosen come from the use cases.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import date
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from lending import devices, loans
from lending.referral_form import BANDS, CHOICES, LISTS, SIM_HOLDERS, ReferralForm
from lending.referrals import STATES

Schema = Mapping[str, Any]
VERSION = "1.0"
MOST_LINES = 200
PATTERNS = {"code": "^[0-9A-Z]{12}$", "ref": "^[LR]-[0-9A-Z]{6,12}$", "number": "^[0-9]{1,9}$"}
IDEMPOTENCY_KEY = "^[!-~]{8,100}$"


def _object(required: str, **properties: Schema) -> Schema:
    return {
        "type": "object", "additionalProperties": False, "properties": dict(properties), "required": required.split(),
    }  # fmt: skip


def _page(name: str) -> Schema:
    lines: Schema = {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}, "maxItems": MOST_LINES}
    after: Schema = {"type": ["string", "null"], "description": "Ask for `after` this to go on; null at the end."}
    return _object("items after", items=lines, after=after)


def _text(longest: int, shortest: int = 0, about: str = "", pattern: str = "") -> Schema:
    found: dict[str, Any] = {"type": "string", "minLength": shortest, "maxLength": longest}
    if about:
        found["description"] = about
    if pattern:
        found["pattern"] = pattern
    return found


def _any_of(words: Mapping[str, str]) -> Schema:
    return {"type": "array", "items": _one_of(words), "uniqueItems": True}


def _one_of(words: Mapping[str, str]) -> Schema:
    meaning = "; ".join(f"`{key}`: {said}" for key, said in words.items())
    return {"type": "string", "enum": list(words), "description": meaning}


_ANY: Schema = {"type": "string"}
_OR_NULL: Schema = {"type": ["string", "null"]}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
_DAY: Schema = {"type": ["string", "null"], "format": "date", "description": "null: as long as needed"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_CHILDREN: Schema = {
    "type": "object", "additionalProperties": False, "description": "Children per age band.",
    "properties": {band: {"type": "integer", "minimum": 0, "maximum": 20} for band in BANDS},
}  # fmt: skip

REFERRAL_FIELDS: Mapping[str, Schema] = {
    "client_reference": _text(40, 1, "Your own reference for the household, not a name", r"^\S(.*\S)?$"),
    "postcode": _text(12, 5, "A full UK postcode", "^[A-Za-z]{1,2}[0-9][A-Za-z0-9]? ?[0-9][A-Za-z]{2}$"),
    "adults": {"type": "integer", "minimum": 1, "maximum": 20},
    "children": _CHILDREN,
    **{name: _one_of(words) for name, words in CHOICES.items()},
    **{name: _any_of(words) for name, words in LISTS.items()},
    "sim_holder": _one_of(SIM_HOLDERS),
    "borough": _text(9, 9, "Only where no table has the postcode: the authority's GSS code", "^E[0-9]{8}$"),
    "contact_name": _text(80, 0, "Empty where contact goes through you"),
    "contact_phone": _text(25, 0, "Empty where contact goes through you"),
    "via_partner": {"type": "boolean", "description": "Contact goes through the partner"},
    "language": _text(40, 2, "The language the household prefers"),
}
"""What a referral may hold."""

OPTIONAL = frozenset({"contact_name", "contact_phone", "children"})
"""What may be left out besides the fields that have a default in `ReferralForm`."""

_ITEM = _object("kind device label state", kind=_ANY, device=_OR_NULL, label=_ANY, state=_one_of(loans.ITEM_STATES))
_DEVICE = {
    "code": _text(12, 12), "label": _text(14, 14, "The code as it is printed"), "make": _ANY, "model": _ANY,
    "serial": _ANY, "state": _one_of(devices.STATES),
}  # fmt: skip
_REASON = _object("code text", code=_ANY, text=_ANY)

SCHEMAS: Mapping[str, Schema] = {
    "Device": _object("code label make model serial state", **_DEVICE),
    "DeviceDetail": _object(
        "code label make model serial state grade lendable reasons",
        **_DEVICE, grade=_ANY,
        lendable={"type": "boolean", "description": "True only if the signed history, read afresh, allows it now."},
        reasons={"type": "array", "items": _REASON},
    ),
    "Devices": _page("Device"),
    "Loan": _object(
        "ref state client_reference partner due created_at items",
        ref=_ANY, state=_one_of(loans.LOAN_STATES), client_reference=_ANY, partner=_ANY, due=_DAY, created_at=_MOMENT,
        items={"type": "array", "items": _ITEM},
    ),
    "Loans": _page("Loan"),
    "LoanChange": _object("due", due=_DAY),
    "Referral": _object(
        "ref state client_reference partner need adults children created_at loan",
        ref=_ANY, state=_one_of(STATES), client_reference=_ANY, partner=_ANY, need=_ANY, adults=_COUNT,
        children={"type": "object", "additionalProperties": _COUNT}, created_at=_MOMENT, loan=_OR_NULL,
    ),
    "Referrals": _page("Referral"),
    "NewReferral": _object(
        " ".join(one.name for one in fields(ReferralForm) if one.default is MISSING and one.name not in OPTIONAL),
        **REFERRAL_FIELDS,
    ),
    "Partner": _object("id name", id=_COUNT, name=_ANY),
    "Partners": _page("Partner"),
    "Stock": _object(
        "ready states",
        ready={**_COUNT, "description": "Devices that could be lent now, before reservations."},
        states={"type": "object", "additionalProperties": _COUNT, "description": "Empty for a partner."},
    ),
    "Problem": {
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": _ANY, "title": _ANY, "status": {"type": "integer"}, "detail": _ANY, "code": _ANY,
            "errors": {"type": "array", "items": _object("pointer detail", pointer=_ANY, detail=_ANY)},
        },
    },
}  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """One thing a programme can ask. `scope` is what its token must allow, "" for anybody."""

    id: str
    method: str
    path: str
    scope: str
    summary: str
    answer: str
    status: int = 200
    body: str = ""
    listed: bool = False
    states: tuple[str, ...] = ()
    creates: bool = False
    changes: bool = False
    tagged: bool = False

    @property
    def names(self) -> list[str]:
        """Return the names in the path, in order."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    @property
    def rule(self) -> str:
        """Return the path as Flask writes it."""
        return self.path.replace("{", "<").replace("}", ">")


OPERATIONS: tuple[Operation, ...] = (
    Operation("devices", "GET", "/devices", "devices:read", "List devices, by make, model and code.", "Devices",
              listed=True, states=tuple(devices.STATES)),
    Operation("device", "GET", "/devices/{code}", "devices:read", "One device, its history folded afresh.",
              "DeviceDetail", tagged=True),
    Operation("stock", "GET", "/stock", "stock:read", "How many devices there are to lend.", "Stock"),
    Operation("loans", "GET", "/loans", "loans:read", "List loans, newest first.", "Loans", listed=True,
              states=tuple(loans.LOAN_STATES)),
    Operation("loan", "GET", "/loans/{ref}", "loans:read", "One loan.", "Loan", tagged=True),
    Operation("change_loan", "PATCH", "/loans/{ref}", "loans:write", "Set or remove the day a loan is due.", "Loan",
              body="LoanChange", changes=True, tagged=True),
    Operation("referrals", "GET", "/referrals", "referrals:read", "List referrals, newest first.", "Referrals",
              listed=True, states=tuple(STATES)),
    Operation("refer", "POST", "/referrals", "referrals:write", "Refer a household.", "Referral", status=201,
              body="NewReferral", creates=True),
    Operation("referral", "GET", "/referrals/{ref}", "referrals:read", "One referral, without contact data.",
              "Referral", tagged=True),
    Operation("partners", "GET", "/partners", "partners:read", "List referral partners, by number.", "Partners",
              listed=True),
    Operation("partner", "GET", "/partners/{number}", "partners:read", "One referral partner.", "Partner",
              tagged=True),
)  # fmt: skip


@dataclass(frozen=True)
class Wrong:
    """What is wrong in a body: `pointer` (RFC 6901) says where."""

    pointer: str
    detail: str

    def to_json(self) -> dict[str, str]:
        """Return it as it stands in a problem."""
        return {"pointer": self.pointer, "detail": self.detail}


def wrong(name: str, value: object) -> list[Wrong]:
    """Return everything in which a value does not fit the schema of this name."""
    checker = FormatChecker(formats=())
    checker.checks("date", raises=ValueError)(_is_day)
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}}
    found = Draft202012Validator(schema, format_checker=checker).iter_errors(value)
    return sorted(
        (Wrong("".join(map(_pointed, one.absolute_path)), one.message[:300]) for one in found),
        key=lambda one: one.pointer,
    )


def _is_day(value: object) -> bool:
    return not isinstance(value, str) or date.fromisoformat(value).isoformat() == value


def _pointed(part: object) -> str:
    return "/" + str(part).replace("~", "~0").replace("/", "~1")


def document(address: str) -> dict[str, Any]:
    """Return the whole contract as an OpenAPI 3.1 document for the service at this address."""
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method.lower()] = _described(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kitbank", "version": VERSION,
            "description": "Devices, loans and referrals of a device bank. See docs/api.md for how to begin.",
        },
        "servers": [{"url": f"{address}/api/v1"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": dict(SCHEMAS),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }  # fmt: skip


def _described(one: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": one.id, "summary": one.summary, "description": f"Needs the scope `{one.scope}`.",
        "parameters": list(_parameters(one)), "responses": dict(_answers(one)),
    }  # fmt: skip
    if one.body:
        schema = {"$ref": f"#/components/schemas/{one.body}"}
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return found


def _parameters(one: Operation) -> Iterator[dict[str, Any]]:
    for name in one.names:
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": PATTERNS[name]}}
    if one.listed:
        size = {"type": "integer", "minimum": 1, "maximum": MOST_LINES, "default": 50}
        yield {"name": "limit", "in": "query", "schema": size}
        yield {"name": "after", "in": "query", "schema": _text(2000, 1, "What the page before gave as `after`")}
    if one.states:
        yield {"name": "state", "in": "query", "schema": {"type": "string", "enum": list(one.states)}}
    if one.creates:
        about = "A text of your own for this one thing: sending it again with the same key makes nothing new."
        schema = {"type": "string", "pattern": IDEMPOTENCY_KEY}
        yield {"name": "Idempotency-Key", "in": "header", "required": True, "description": about, "schema": schema}
    if one.changes:
        about = "The ETag of what you read: nothing is changed if somebody else changed it since."
        yield {"name": "If-Match", "in": "header", "required": True, "description": about, "schema": {"type": "string"}}


def _answers(one: Operation) -> Iterator[tuple[str, dict[str, Any]]]:
    right: dict[str, Any] = {"description": one.summary, "content": _content("application/json", one.answer)}
    if one.tagged or one.creates:
        right["headers"] = {"ETag": {"schema": {"type": "string"}}}
    yield str(one.status), right
    wanted = {
        "400": "The request cannot be read", "401": "No token, or not a valid one",
        "403": "The token does not allow it", "429": "Too many requests: wait as long as Retry-After says",
    }  # fmt: skip
    if one.tagged and one.method == "GET":
        yield "304", {"description": "Not changed since"}
    if one.names:
        wanted["404"] = "There is no such thing that this token may see"
    if one.body:
        wanted |= {"409": "The rules do not allow it", "413": "Too large", "415": "Not JSON", "422": "Does not fit"}
    if one.changes:
        wanted |= {"412": "Somebody changed it since you read it", "428": "The header If-Match is missing"}
    for status, text in sorted(wanted.items()):
        yield status, {"description": text, "content": _content("application/problem+json", "Problem")}


def _content(kind: str, name: str) -> dict[str, Any]:
    return {kind: {"schema": {"$ref": f"#/components/schemas/{name}"}}}
