"""The programming interface: its contract, who may ask what, and that asking twice does things once."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from werkzeug.test import TestResponse

from custody.errors import Refused
from lending import api_tokens, contract, people, referrals, tables
from lending.access_tables import AuditEntry
from lending.office_tables import ApiToken
from lending.rates import Rate
from lending.referral_form import ReferralForm
from tests.factories import NOON
from tests.lending.house import PERSONAL
from tests.lending.screens import LENT, READY, UNWIPED, Town

BODY: Mapping[str, Any] = {
    "client_reference": "AB-99", "postcode": "l1 8jq", "adults": 2, "children": {"5-10": 1}, "need": "laptop",
    "internet": "none", "purpose": "school", "ground": "worker", "contact_name": "Nadia Rahman",
    "contact_phone": "07700 900123", "via_partner": False, "safe_contact": "yes", "language": "Arabic",
    "told_how": "read", "connection": ["mobile-data"], "support": ["delivery", "set-up"],
}  # fmt: skip


class Programme:
    """A programme with a token, that keeps to the contract and checks that the service does."""

    def __init__(self, town: Town, name: str, *scopes: str) -> None:
        self.town, self.client = town, town.app.test_client()
        with town.house.db.transaction() as tx:
            account = next(one for one in people.list_accounts(tx) if one.name == name)
            wanted = scopes or tuple(s for s, (_, roles) in api_tokens.SCOPES.items() if roles & set(account.roles))
            now = town.house.tick()
            self.token = api_tokens.create(tx, town.house.administrator, account.id, "test", wanted, 366, now)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> TestResponse:
        given = {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        answer = self.client.open(f"/api/v1{path}", method=method, json=body, headers=given)
        assert answer.headers.get("Set-Cookie") is None
        if answer.status_code >= 400:
            assert answer.mimetype == "application/problem+json"
            assert contract.wrong("Problem", answer.get_json()) == []
            assert answer.get_json()["status"] == answer.status_code
        return answer

    def get(self, path: str, code: int = 200) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == code, answer.get_data(as_text=True)
        return answer.get_json()


def test_every_address_is_in_the_document_and_the_other_way_round(town: Town) -> None:
    served = {
        (method, rule.rule.removeprefix("/api/v1").replace("<", "{").replace(">", "}"))
        for rule in town.app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and not rule.rule.endswith("openapi.json")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    document = town.app.test_client().get("/api/v1/openapi.json").get_json()
    written = {(method.upper(), path) for path, found in document["paths"].items() for method in found}
    assert served == written
    assert document["openapi"].startswith("3.1")


def test_what_a_referral_may_hold_is_what_the_use_case_takes() -> None:
    assert set(contract.REFERRAL_FIELDS) == {one.name for one in fields(ReferralForm)}


def test_every_answer_has_the_shape_that_is_written_down(town: Town) -> None:
    desk, partner = Programme(town, "Dee"), Programme(town, "Pat")
    for path, shape in (
        ("/devices", "Devices"), ("/devices?limit=2", "Devices"), (f"/devices/{READY}", "DeviceDetail"),
        ("/stock", "Stock"), ("/loans", "Loans"), (f"/loans/{town.loan}", "Loan"), ("/referrals", "Referrals"),
        (f"/referrals/{town.waiting}", "Referral"), ("/partners", "Partners"), ("/partners/1", "Partner"),
    ):  # fmt: skip
        assert contract.wrong(shape, desk.get(path)) == [], path
    assert {one["state"] for one in desk.get("/devices?state=ready")["items"]} == {"ready"}
    assert partner.get("/stock")["states"] == {}
    assert partner.get("/stock")["ready"] >= 1


def test_a_device_is_lendable_only_as_its_history_says(town: Town) -> None:
    desk = Programme(town, "Dee")
    assert desk.get(f"/devices/{READY}")["lendable"] is True
    for code in (UNWIPED, LENT):
        found = desk.get(f"/devices/{code}")
        assert found["lendable"] is False
        assert found["reasons"]


def test_a_list_is_turned_by_cursor_without_loss(town: Town) -> None:
    desk, seen = Programme(town, "Dee"), list[str]()
    after: str | None = ""
    while after is not None:
        page = desk.get("/devices?limit=3" + (f"&after={after}" if after else ""))
        seen += [one["code"] for one in page["items"]]
        after = page["after"]
    assert len(seen) == len(set(seen)) == 7


def test_a_partner_sees_its_own_and_no_scope_gives_more_than_the_role(town: Town) -> None:
    pat, ola = Programme(town, "Pat"), Programme(town, "Ola")
    assert pat.get(f"/loans/{town.loan}")["ref"] == town.loan
    for path in (f"/loans/{town.loan}", f"/referrals/{town.waiting}"):
        assert ola.get(path, 404)["code"].startswith("unknown-")
    assert ola.get("/loans")["items"] == ola.get("/referrals")["items"] == []
    assert pat.get("/devices", 403)["code"] == "scope"
    assert pat.ask("PATCH", f"/loans/{town.loan}", {"due": None}, If_Match="*").status_code == 403
    with town.house.db.transaction() as tx, pytest.raises(Refused, match="may not do 'devices:read'"):
        api_tokens.create(tx, town.house.administrator, town.house.partner.account_id, "x", ["devices:read"], 1, NOON)


def test_a_role_taken_away_takes_the_scope_away(town: Town) -> None:
    desk = Programme(town, "Dee")
    assert desk.get("/devices")
    with town.house.db.transaction() as tx:
        tx.s.get_one(tables.AccountRow, town.house.desk.account_id).roles = ["data-protection"]
    assert desk.get("/devices", 403)["code"] == "scope"


def test_without_a_valid_token_nothing_is_said(town: Town) -> None:
    desk = Programme(town, "Dee")
    good = desk.token
    with town.house.db.transaction() as tx:
        row = tx.s.query(ApiToken).filter_by(digest=api_tokens.digest(good)).one()
        assert good not in str([getattr(row, c.name) for c in ApiToken.__table__.columns]), "it is not kept"
    for wrong in ("", good[:-1], good + "x", "kbt_", "Ä"):
        desk.token = wrong
        answer = desk.ask("GET", "/devices")
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    signed_in = town.browser("desk").client.get("/api/v1/devices")
    assert signed_in.status_code == 401, "a browser's cookie is no token"


@pytest.mark.parametrize("end", ["revoked", "expired", "disabled"])
def test_a_token_that_ended_is_dead_at_once(town: Town, end: str) -> None:
    desk, house = Programme(town, "Dee"), town.house
    assert desk.get("/devices")
    with house.db.transaction() as tx:
        if end == "revoked":
            api_tokens.revoke(tx, house.administrator, 1, house.tick())
        elif end == "disabled":
            people.disable(tx, house.desk.account_id, house.tick())
    if end == "expired":
        house.now += timedelta(days=367)
    assert desk.get("/devices", 401)["code"] == "token"


def test_guessing_tokens_is_slowed_down_and_a_right_one_still_works(town: Town) -> None:
    desk = Programme(town, "Dee")
    good, desk.token = desk.token, "kbt_guess"
    said = [desk.ask("GET", "/devices").status_code for _ in range(people.TRIES + 1)]
    assert said[:-1] == [401] * people.TRIES
    assert said[-1] == 429
    desk.token = good
    assert desk.get("/devices")


def test_a_token_that_asks_too_often_waits(town: Town) -> None:
    town.app.extensions["kitbank_rate"] = Rate(3)
    desk = Programme(town, "Dee")
    said = [desk.ask("GET", "/stock") for _ in range(4)]
    assert [one.status_code for one in said] == [200, 200, 200, 429]
    assert 1 <= int(said[-1].headers["Retry-After"]) <= 60


def test_a_referral_sent_twice_with_one_key_is_one_referral(town: Town) -> None:
    pat = Programme(town, "Pat")
    first = pat.ask("POST", "/referrals", BODY, Idempotency_Key="case-4711-a")
    assert first.status_code == 201
    again = pat.ask("POST", "/referrals", BODY, Idempotency_Key="case-4711-a")
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.get_json() == first.get_json()
    other = pat.ask("POST", "/referrals", {**BODY, "adults": 3}, Idempotency_Key="case-4711-a")
    assert (other.status_code, other.get_json()["code"]) == (422, "key-reused")
    ola = Programme(town, "Ola").ask("POST", "/referrals", BODY, Idempotency_Key="case-4711-a")
    assert ola.get_json()["ref"] != first.get_json()["ref"], "a key is a token's own"
    with town.house.db.read() as tx:
        mine = referrals.referrals(tx, town.house.partner)
    assert [one.form.client_reference for one in mine].count("AB-99") == 1
    assert pat.ask("POST", "/referrals", BODY).get_json()["code"] == "idempotency-key"
    assert first.headers["Location"] == f"/api/v1/referrals/{first.get_json()['ref']}"


def test_no_answer_holds_contact_data(town: Town) -> None:
    pat = Programme(town, "Pat")
    made = pat.ask("POST", "/referrals", BODY, Idempotency_Key="k" * 8).get_json()
    said = json.dumps([made, pat.get("/referrals"), pat.get(f"/referrals/{made['ref']}"), pat.get("/loans")])
    for secret in {*PERSONAL, "AB-99"} - {"AB-17", "AB-99", "Arabic"}:
        assert secret not in said


def test_what_is_wrong_in_a_referral_is_said_place_by_place(town: Town) -> None:
    pat = Programme(town, "Pat")
    body = {**BODY, "adults": 0, "need": "yacht", "children": {"5-10": -1}, "extra": 1}
    answer = pat.ask("POST", "/referrals", body, Idempotency_Key="k" * 8)
    assert answer.status_code == 422
    assert {one["pointer"] for one in answer.get_json()["errors"]} == {"", "/adults", "/need", "/children/5-10"}
    answer = pat.ask("POST", "/referrals", {**BODY, "contact_name": ""}, Idempotency_Key="k" * 8)
    assert [one["pointer"] for one in answer.get_json()["errors"]] == ["/contact_name"]


def test_a_change_is_made_only_to_what_was_read(town: Town) -> None:
    desk = Programme(town, "Dee")
    read = desk.ask("GET", f"/loans/{town.out}")
    tag, day = read.headers["ETag"], (town.house.now + timedelta(days=30)).date().isoformat()
    assert desk.ask("PATCH", f"/loans/{town.out}", {"due": day}).status_code == 428
    done = desk.ask("PATCH", f"/loans/{town.out}", {"due": day}, If_Match=tag)
    assert (done.status_code, done.get_json()["due"]) == (200, day)
    assert desk.ask("PATCH", f"/loans/{town.out}", {"due": None}, If_Match=tag).status_code == 412
    assert desk.get(f"/loans/{town.out}")["due"] == day
    past = desk.ask("PATCH", f"/loans/{town.out}", {"due": "2020-01-01"}, If_Match=done.headers["ETag"])
    assert (past.status_code, past.get_json()["code"]) == (422, "date")
    same = desk.ask("GET", f"/loans/{town.out}", If_None_Match=done.headers["ETag"])
    assert (same.status_code, same.get_data()) == (304, b"")


def test_addresses_and_methods_that_do_not_exist_are_problems_too(town: Town) -> None:
    desk = Programme(town, "Dee")
    assert desk.get("/nothing", 404)
    assert desk.get("/devices/%00", 404)
    assert desk.get("/loans/L-%F0%9F%92%A9", 404)
    assert desk.get("/devices?stat=ready", 400)["code"] == "parameter"
    answer = desk.ask("DELETE", "/devices")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    raw = desk.client.patch(f"/api/v1/loans/{town.out}", data=b"{", headers={"Authorization": f"Bearer {desk.token}"})
    assert (raw.status_code, raw.mimetype) == (415, "application/problem+json")


def test_making_and_ending_a_token_are_in_the_audit_and_it_is_shown_once(town: Town) -> None:
    ada = town.browser("administrator")
    number = str(town.house.desk.account_id)
    ada.get("/tokens")
    wrong = ada.post("/tokens", {"scopes": "devices:read"}, name="", account=number, days="30")
    assert wrong.status_code == 422
    answer = ada.post("/tokens", {"scopes": "devices:read"}, name="Report", account=number, days="30")
    made = answer.get_data(as_text=True)
    token = made.split(api_tokens.PREFIX)[1].split("<")[0]
    assert len(token) > 40
    listed = ada.get("/tokens").get_data(as_text=True)
    assert "Report" in listed
    assert token not in listed
    ada.post("/tokens/1/revoke")
    with town.house.db.read() as tx:
        lines = tx.s.query(AuditEntry).filter(AuditEntry.action.like("token-%")).all()
    assert [one.action for one in lines] == ["token-made", "token-revoked"]
    assert token not in str([(one.subject, one.reason) for one in lines])


def schema_of(town: Town, role: str) -> Any:
    town.app.extensions["kitbank_rate"] = Rate(10**9)
    programme = Programme(town, role)
    config = SchemathesisConfig.from_dict(
        {
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", 304, 400, 403, 404, 409, 412, 422]}},
            "generation": {"database": "none"},
        }
    )
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", town.app, config=config)
    return schema, programme.token


@pytest.mark.parametrize("name", ["Dee", "Pat"])
def test_schemathesis_finds_no_crash_and_no_broken_contract(town: Town, name: str) -> None:
    """The long run: KITBANK_TEST_API_EXAMPLES=1000."""
    examples = int(os.environ.get("KITBANK_TEST_API_EXAMPLES", "12"))
    schema, token = schema_of(town, name)
    asked = set()

    def check(case: Any) -> None:
        town.house.now += timedelta(minutes=16)  # it tries wrong tokens too, and must not be shut out for it
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"})
        asked.add((case.method, case.path))

    for operation in schema.get_all_operations():
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            play(operation.ok(), mode, check, examples)
    assert len(asked) == len(contract.OPERATIONS)


def play(operation: Any, mode: GenerationMode, check: Callable[[Any], None], examples: int) -> None:
    """Ask one operation many times: what the contract allows, or what it does not."""
    quiet = settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate], derandomize=True,
    )  # fmt: skip
    try:
        quiet(given(case=operation.as_strategy(generation_mode=mode))(check))()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "an operation without parameters cannot be asked wrongly"
