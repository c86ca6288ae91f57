"""Every route says who may use it, and nobody else can: the whole map of addresses, walked by every role."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

from lending import auth, contract, exports, people
from tests.lending.screens import READY, Browser, Town

STAFF = {"volunteer", "supervisor", "desk", "administrator", "auditor"}
DESK = {"desk", "supervisor"}
ALL = set(people.ROLES)
LEADS = {"data-protection", "administrator", "auditor"}

WHO: Mapping[str, set[str] | str] = {
    "static": "public",
    "public.sign_in": "public",
    "public.try_sign_in": "public",
    "public.sign_out": ALL,
    "public.set_password": "public",
    "public.store_password": "public",
    "public.label": "public",
    "public.label_capitals": "public",
    "public.slip": "public",
    "public.slip_capitals": "public",
    "public.certificate": "public",
    "public.certificate_capitals": "public",
    "public.change_address": "public",
    "public.confirm_address": "public",
    "signin.passkey": "public",
    "signin.second": "public",
    "signin.check_second": "public",
    "signin.ask_link": "public",
    "signin.send_link": "public",
    "signin.open_link": "public",
    "signin.use_link": "public",
    "signin.council": "public",
    "signin.council_back": "public",
    "signin.prove": ALL,
    "signin.check_proof": ALL,
    "security.mine": ALL,
    "security.new_passkey": ALL,
    "security.add_passkey": ALL,
    "security.passkey": ALL,
    "security.name_passkey": ALL,
    "security.remove_passkey": ALL,
    "security.start_codes": ALL,
    "security.codes": ALL,
    "security.codes_picture": ALL,
    "security.confirm_codes": ALL,
    "security.recovery": ALL,
    "security.codes_off": ALL,
    "security.end_session": ALL,
    "security.end_others": ALL,
    "security.address": ALL,
    "security.ask_address": ALL,
    "audit.listing": {"auditor", "data-protection"},
    "audit.export": {"auditor", "data-protection"},
    "councils.listing": {"administrator"},
    "councils.new": {"administrator"},
    "councils.add": {"administrator"},
    "councils.one": {"administrator"},
    "councils.change": {"administrator"},
    "people.roles": {"administrator"},
    "people.change_roles": {"administrator"},
    "people.confirm_factors": {"administrator"},
    "people.take_factors": {"administrator"},
    "home.home": ALL,
    "search.search": ALL,
    **{
        f"imports.{name}": {"supervisor", "administrator"}
        for name in ("listing", "upload", "show", "columns", "run", "discard", "problems", "added")
    },
    **{f"exports.{name}": set(one.roles) for name, one in exports.EXPORTS.items()},
    **{
        f"webhooks.{name}": {"administrator"}
        for name in ("listing", "register", "log", "again", "switch", "remove")
    },
    **{f"bulk.{name}": DESK for name in ("listing", "look", "undo")},
    "equality.results": DESK | {"administrator", "auditor", "data-protection"},
    "equality.card": DESK,
    "equality.questions": "public",
    "equality.answer": "public",
    "tokens.listing": {"administrator"},
    "tokens.make": {"administrator"},
    "tokens.revoke": {"administrator"},
    "api_v1.openapi": "public",
    **{f"api_v1.{one.id}": "tokens" for one in contract.OPERATIONS},
    "devices.listing": STAFF,
    "devices.find": STAFF,
    "devices.device": STAFF,
    "devices.proof": STAFF,
    "devices.record": STAFF,
    "devices.evidence": STAFF,
    "partners.listing": DESK | {"partner", "data-protection"},
    "partners.referral": DESK | {"partner", "data-protection"},
    "refer.start": {"partner", "desk"},
    "refer.begin": {"partner", "desk"},
    "refer.question": {"partner", "desk"},
    "refer.answer": {"partner", "desk"},
    "refer.check": {"partner", "desk"},
    "refer.send": {"partner", "desk"},
    "refer.confirm_remove": {"partner", "desk"},
    "refer.remove": {"partner", "desk"},
    "refer.paper": DESK | {"partner"},
    "intake.upload": {"partner", "desk"},
    "intake.template": {"partner", "desk"},
    "intake.receive": {"partner", "desk"},
    "intake.preview": {"partner", "desk"},
    "intake.mistakes": {"partner", "desk"},
    "intake.take": {"partner", "desk"},
    "organisations.listing": DESK,
    "organisations.partner": DESK,
    "organisations.change": DESK,
    "organisations.lead": DESK,
    "organisations.pools": DESK,
    "organisations.set_pools": DESK,
    "organisations.team": {"partner"},
    "organisations.invite": {"partner"},
    "organisations.close": {"partner"},
    "partners.sent": {"partner", "desk"},
    "partners.approve": DESK,
    "partners.decline": DESK,
    "desk.listing": DESK | {"partner"},
    "desk.loan": DESK | {"partner"},
    "desk.reserve": DESK,
    "desk.hand_over": DESK,
    "desk.release": DESK,
    "desk.extend": DESK,
    "desk.confirm_close": {"supervisor"},
    "desk.close": {"supervisor"},
    "desk.receive": DESK | {"volunteer"},
    "desk.take": DESK | {"volunteer"},
    "desk.confirm_dismiss": DESK,
    "desk.dismiss": DESK,
    "agreements.show": DESK,
    "agreements.sign": DESK,
    "agreements.kept": DESK | {"data-protection"},
    "agreements.paper": DESK | {"data-protection"},
    "loan_work.add": DESK,
    "loan_work.thing": DESK,
    "loan_work.out": DESK,
    "loan_work.back": DESK,
    "loan_work.not_taken": DESK,
    "loan_work.set_clock": DESK,
    "loan_work.swap": DESK,
    "loan_work.end": DESK,
    "loan_work.give": {"supervisor"},
    "loan_work.gift": DESK,
    "loan_work.hand_over_all": DESK,
    "loan_work.filter_form": DESK,
    "loan_work.record_filter": DESK,
    "loan_work.reminders": DESK | {"data-protection"},
    "loan_work.stop_reminders": DESK,
    "loan_work.resume_reminders": {"supervisor"},
    "loan_work.help_form": DESK,
    "loan_work.record_help": DESK,
    "preparation.day": DESK | {"volunteer"},
    "preparation.parcel": DESK | {"volunteer"},
    "preparation.scan": DESK,
    "preparation.tick": DESK | {"volunteer"},
    "sims.listing": DESK,
    "sims.add": DESK,
    "sims.keep": DESK,
    "sims.give": DESK,
    "sims.hand_out": DESK,
    "sims.renew": DESK,
    "sims.end": DESK,
    "slots.listing": DESK,
    "slots.open_slots": DESK,
    "slots.close": DESK,
    "slots.choose": DESK,
    "slots.book": DESK,
    "slots.cancel": DESK,
    "slots.done": DESK,
    "slots.failed": DESK,
    "slots.address": DESK,
    "card.page": "public",
    "card.page_capitals": "public",
    "card.say": "public",
    "messages.listing": DESK | {"data-protection"},
    "messages.message": DESK | {"data-protection"},
    "messages.settle": DESK,
    "messages.call_off": DESK,
    "messages.answers": DESK,
    "messages.answer_done": DESK,
    "messages.about": DESK,
    "messages.write": DESK,
    "message_rules.tomorrow": DESK,
    "message_rules.tomorrow_csv": DESK,
    "message_rules.rules": DESK | {"administrator"},
    "message_rules.set_page": {"supervisor", "administrator"},
    "message_rules.rule": DESK | {"administrator"},
    "message_rules.set_rule": {"supervisor", "administrator"},
    "message_rules.wording": DESK | {"administrator"},
    "message_rules.set_wording": {"supervisor", "administrator"},
    "office.machines": {"administrator", "supervisor", "auditor"},
    "office.make_code": {"administrator"},
    "office.confirm_revoke": {"administrator"},
    "office.revoke": {"administrator"},
    "office.resume": {"administrator"},
    "office.system": {"administrator", "auditor"},
    "office.verify": {"administrator", "auditor"},
    "office.checkpoint": {"administrator"},
    "people.listing": {"administrator"},
    "people.new": {"administrator"},
    "people.create": {"administrator"},
    "people.link": {"administrator"},
    "people.confirm_disable": {"administrator"},
    "people.disable": {"administrator"},
    "badges.listing": {"administrator"},
    "badges.new": {"administrator"},
    "badges.give": {"administrator"},
    "badges.card": {"administrator"},
    "badges.confirm_end": {"administrator"},
    "badges.end": {"administrator"},
    "papers.notice": "public",
    "papers.complain": "public",
    "papers.send_complaint": "public",
    "papers.listing": LEADS,
    "papers.paper": LEADS,
    "papers.record_csv": LEADS,
    "registers.overview": {"data-protection"},
    "registers.complaint_list": {"data-protection"},
    "registers.take_complaint": {"data-protection"},
    "registers.complaint": {"data-protection"},
    "registers.acknowledge": {"data-protection"},
    "registers.answer": {"data-protection"},
    "registers.agreements": {"data-protection"},
    "registers.record_agreement": {"data-protection"},
    "registers.end_agreement": {"data-protection"},
    "registers.breach_list": {"data-protection"},
    "registers.record_breach": {"data-protection"},
    "registers.decide": {"data-protection"},
    "registers.access": {"data-protection"},
    "registers.find_household": {"data-protection"},
    "registers.give": {"data-protection"},
    "registers.erase": {"data-protection"},
    "privacy.ask": DESK | {"data-protection"},
    "privacy.reveal": DESK | {"data-protection"},
    "privacy.looks": {"data-protection"},
    "armed.page": DESK | {"volunteer"},
    "armed.scan": DESK | {"volunteer"},
    "armed.undo": DESK | {"volunteer"},
    "armed.pause": DESK | {"volunteer"},
    "armed.go_on": DESK | {"volunteer"},
    "armed.sound": DESK | {"volunteer"},
    "armed.end": DESK | {"volunteer"},
    "armed.cards": DESK | {"volunteer"},
    "recalls.listing": DESK | {"auditor", "data-protection"},
    "recalls.new": {"supervisor"},
    "recalls.start": {"supervisor"},
    "recalls.recall": DESK | {"auditor", "data-protection"},
    "recalls.look_again": DESK,
    "recalls.close": {"supervisor"},
    "recalls.line": DESK | {"auditor", "data-protection"},
    "recalls.note": DESK,
    "recalls.release": {"supervisor"},
    "checks.listing": {"volunteer", "supervisor", "administrator", "auditor"},
    "checks.decide": {"supervisor"},
    "checks.accept": {"supervisor"},
    **{
        f"donors.{name}": "public"
        for name in ("offer", "check", "send", "sent", "portal", "ask", "open_link", "use_link", "devices_csv",
                     "certificates", "thanks", "locked")
    },
    **{
        f"collections.{name}": DESK
        for name in ("listing", "pledge", "contact", "book", "adopt", "end", "rounds", "open_rounds", "close_round")
    },
    **{
        f"collections.{name}": DESK | {"volunteer"}
        for name in ("van", "visit", "where", "count", "scan", "sign", "failed")
    },
}
"""Who may use which page. Whoever adds a page decides it here too."""


def pages(town: Town) -> Iterator[tuple[Rule, str, str]]:
    """Return every route with an address that exists and each method that a browser uses."""
    samples: dict[str, Any] = {
        "code": READY, "answers": "0" * 64, "token": "nothing", "handle": "0" * 20, "event": town.wipe,
        "digest": "0" * 64, "ref": town.loan, "origin": town.house.bench.id, "number": 987654, "form": "csv",
        "name": "notice", "filename": "logo.svg", "item": 1, "slot": 1, "kind": "loan", "agreement": "A-0",
        "loan_type": "device", "language": "ar",
        "draft": "nothing", "page": "postcode",
    }  # fmt: skip
    with town.app.test_request_context():
        for rule in town.app.url_map.iter_rules():
            for method in sorted((rule.methods or set()) & {"GET", "POST"}):
                values = {name: samples[name] for name in rule.arguments}
                if rule.endpoint.startswith(("partners.", "privacy.")):
                    values.update(ref=town.waiting)
                yield rule, method, town.app.url_for(rule.endpoint, **values)


def ask(browser: Browser, method: str, path: str) -> int:
    found = browser.get(path, follow=False) if method == "GET" else browser.post(path, follow=False)
    return found.status_code


def test_every_route_says_who_may_use_it_and_says_what_is_written_here(town: Town) -> None:
    named = {}
    for rule in town.app.url_map.iter_rules():
        access = auth.access_of(town.app, rule.endpoint)
        assert access is not None, f"{rule.rule} does not name its roles"
        named[rule.endpoint] = set(access.roles) if access.kind == "roles" else access.kind
    machines = {name for name, who in named.items() if who == "machines"}
    assert all(name.startswith("api.") or name == "card.receive" for name in machines)
    assert {name: who for name, who in named.items() if name not in machines} == WHO


@pytest.mark.parametrize("town", ["sqlite"], indirect=True)  # no database is asked who may do what
def test_nobody_gets_into_a_page_of_another_role(town: Town) -> None:
    for role in people.ROLES:
        browser = town.browser(role)
        for rule, method, path in pages(town):
            access = auth.access_of(town.app, rule.endpoint)
            if access is None or access.kind != "roles" or rule.endpoint == "public.sign_out":
                continue
            code = ask(browser, method, path)
            assert (code == 403) == (role not in access.roles), f"{role} {method} {path}: {code}"
            assert code < 500


def test_a_stranger_is_sent_to_sign_in_and_changes_nothing(town: Town) -> None:
    stranger = town.browser()
    stranger.get("/sign-in")
    for rule, method, path in pages(town):
        access = auth.access_of(town.app, rule.endpoint)
        if access is not None and access.kind == "roles":
            found = stranger.client.open(path, method=method, data={"form_token": stranger.token})
            assert found.status_code == 303, path
            assert found.location.startswith("/sign-in"), path


def test_a_form_without_this_sessions_token_is_refused(town: Town) -> None:
    desk = town.browser("desk")
    before = town.browser("desk")
    for token in ("", "guessed", before.token):
        found = desk.client.post(f"/loans/{town.loan}/reserve", data={"form_token": token, "code": READY})
        assert found.status_code == 400
        assert "Nothing was saved" in found.get_data(as_text=True)


def test_a_view_that_names_no_role_is_closed_to_everybody(town: Town) -> None:
    app: Flask = town.app
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    for role in ("administrator", ""):
        found = town.browser(role).get("/forgotten")
        assert found.status_code == 403
        assert "secret" not in found.get_data(as_text=True)


def test_a_role_that_does_not_exist_is_no_role_for_a_route() -> None:
    with pytest.raises(ValueError, match="chief"):
        auth.roles("chief")


def test_a_partner_sees_its_own_referrals_and_loans_only(town: Town) -> None:
    pat, ola = town.browser("partner"), town.browser(name="Ola")
    for path in (f"/referrals/{town.waiting}", f"/loans/{town.loan}"):
        assert pat.get(path).status_code == 200
        assert ola.get(path).status_code == 404
    assert "HH-211" not in ola.get("/referrals").get_data(as_text=True)
    assert "HH-204" not in ola.get("/loans").get_data(as_text=True)
