"""The whole map of addresses, by everybody, with every method: nobody gets further than their role, no form goes in."""

from collections import Counter
from urllib.parse import unquote

import pytest
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing import MapAdapter, Rule

from lending import auth, people
from tests.lending.screens import Browser, Town
from tests.lending.test_screens_roles import pages

METHODS = ("GET", "HEAD", "OPTIONS", "POST")
STRANGER = ""


def what_is_wrong(town: Town, rule: Rule | None, role: str, method: str, code: int) -> str:
    """Return in words what an answer should not have been, "" when it is right; no rule: no such method there."""
    if code >= 500:
        return "broke"
    if rule is None:
        return "" if code == 405 else "takes a method that it does not have"
    access = auth.access_of(town.app, rule.endpoint)
    if access is None:
        return "names nobody"
    if method == "OPTIONS":
        return "" if code in (200, 303, 403) else "answers oddly when asked for its methods"
    if access.kind == "public":
        return "" if method != "POST" or code == 400 else "took a form with a wrong token"
    if access.kind != "roles":
        return "" if code >= 400 or method == "OPTIONS" else "let a browser in where a machine proves itself"
    if role == STRANGER:
        return "" if code == 303 else "was open to a stranger"
    if role not in access.roles:
        return "" if code == 403 else "was open to another role"
    if method == "POST":
        return "" if code in (303, 400) else "took a form with a wrong token"
    return "" if code != 403 else "was closed to its own role"


def is_for_programs(town: Town, endpoint: str) -> bool:
    """Tell whether machines or programs with a token use this address, with methods that no browser form sends."""
    access = auth.access_of(town.app, endpoint)
    return access is not None and access.kind not in ("public", "roles")


def who_answers(there: MapAdapter, path: str, method: str) -> Rule | None:
    """Return the rule that a request goes to, None where the address does not have the method."""
    try:
        return there.match(unquote(path.partition("?")[0]), method, return_rule=True)[0]
    except MethodNotAllowed:
        return None


@pytest.mark.slow
@pytest.mark.parametrize("town", ["sqlite"], indirect=True)
def test_every_route_by_every_role_with_every_method_and_a_wrong_token(town: Town) -> None:
    paths = {path for rule, _, path in pages(town) if rule.endpoint != "public.sign_out"}
    there = town.app.url_map.bind("localhost")
    holes, cells, seen = [], Counter[str](), set()
    for role in (STRANGER, *people.ROLES):
        browser: Browser = town.browser(role)
        browser.get("/sign-in")
        for path in sorted(paths):
            for method in METHODS:
                rule = who_answers(there, path, method)
                data = {"form_token": "guessed"} if method == "POST" else None
                with browser.client.open(path, method=method, data=data) as answer:
                    wrong = what_is_wrong(town, rule, role, method, answer.status_code)
                if wrong:
                    holes.append(f"{role or 'a stranger'}: {method} {path} {wrong} ({answer.status_code})")
                cells[method] += 1
                seen |= {rule.endpoint} if rule else set()
        assert browser.get("/security", follow=False).status_code == (303 if role == STRANGER else 200), role
    figures = f"{len(seen)} routes x {len(people.ROLES) + 1} roles tested, {sum(cells.values())} requests"
    print(f"\n{figures}, holes {len(holes)}")
    assert holes == [], "\n".join(holes[:60])
    missed = {rule.endpoint for rule in town.app.url_map.iter_rules()} - seen - {"public.sign_out"}
    assert {name for name in missed if not is_for_programs(town, name)} == set()


@pytest.mark.parametrize("town", ["sqlite"], indirect=True)
def test_the_matrix_sees_a_hole(town: Town) -> None:
    rules = {rule.endpoint: rule for rule in town.app.url_map.iter_rules()}
    told = [
        what_is_wrong(town, rules["people.listing"], "desk", "GET", 200),
        what_is_wrong(town, rules["people.listing"], "", "HEAD", 200),
        what_is_wrong(town, rules["people.listing"], "administrator", "GET", 403),
        what_is_wrong(town, rules["people.create"], "administrator", "POST", 200),
        what_is_wrong(town, rules["public.try_sign_in"], "", "POST", 422),
        what_is_wrong(town, rules["home.home"], "desk", "GET", 500),
        what_is_wrong(town, rules["home.home"], "desk", "POST", 200),
    ]
    assert all(told)
