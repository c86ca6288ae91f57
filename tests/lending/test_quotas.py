"""What a partner may ask for now, how long it takes, and a partner's own people."""

from dataclasses import replace
from datetime import timedelta

import pytest

from custody.errors import Refused
from lending import people, quotas, referrals, tables, teams
from lending.quotas import Offer
from tests.factories import NOON
from tests.lending.filling import begun
from tests.lending.house import FORM, House
from tests.lending.screens import Town

LIVERPOOL, SEFTON = "E08000012", "E08000014"


def offer(house: House, borough: str = "", need: str = "laptop") -> Offer:
    with house.db.read() as tx:
        return next(one for one in quotas.offers(tx, borough, house.now) if one.need == need)


def pool(house: House, borough: str, mode: str, kept: int = 0, need: str = "laptop") -> None:
    with house.db.transaction() as tx:
        quotas.set_pool(tx, house.desk, borough, need, mode, kept)


def refer(house: House, by: people.Actor, need: str = "laptop") -> str:
    with house.db.transaction() as tx:
        return referrals.refer(tx, by, replace(FORM, need=need), house.tick())


def setting(house: House, most: dict[str, int | None], borough: str = "", *, paused: bool = False) -> None:
    with house.db.transaction() as tx:
        quotas.set_partner(tx, house.desk, house.partner.partner_id or 0, borough, most, paused=paused)


def test_auto_is_open_while_more_is_ready_than_waits(house: House) -> None:
    pool(house, "", "AUTO")
    assert not offer(house).open
    with pytest.raises(Refused, match="none to give"):
        refer(house, house.partner)
    house.make_ready(1)
    assert (offer(house).open, offer(house).ready) == (True, 1)
    refer(house, house.partner)
    assert (offer(house).open, offer(house).waiting) == (False, 1)
    refer(house, house.desk)  # the desk may, for reasons of its own


def test_off_is_closed_and_on_is_open_whatever_the_stock(house: House) -> None:
    house.make_ready(1)
    pool(house, "", "OFF")
    assert not offer(house).open
    pool(house, SEFTON, "ON")
    assert offer(house, SEFTON).open, "a borough's own pool counts before the one for all others"
    assert offer(house, "", "tablet").open, "no pool set means open"


def test_what_is_kept_for_a_borough_is_no_stock_for_the_others(house: House) -> None:
    for number in (1, 2):
        house.make_ready(number)
    pool(house, SEFTON, "AUTO", kept=2)
    pool(house, LIVERPOOL, "AUTO")
    assert (offer(house, SEFTON).ready, offer(house, LIVERPOOL).ready) == (2, 0)
    assert (offer(house, SEFTON).open, offer(house, LIVERPOOL).open) == (True, False)


def test_a_quota_holds_for_one_partner_and_counts_what_is_open(house: House) -> None:
    setting(house, {"": 2, "laptop": 1})
    refer(house, house.partner)
    with pytest.raises(Refused, match="for: laptop, and 1 is its most"):
        refer(house, house.partner)
    refer(house, house.partner, "tablet")
    with pytest.raises(Refused, match="2 open referrals"):
        refer(house, house.partner, "phone")
    refer(house, house.outsider)
    setting(house, {"": None, "laptop": None})
    refer(house, house.partner)


def test_a_paused_partner_refers_nobody_and_reads_why(house: House) -> None:
    setting(house, {}, paused=True)
    with pytest.raises(Refused, match="paused"):
        refer(house, house.partner)


def test_the_wait_is_measured_and_nothing_is_claimed_of_too_few(house: House) -> None:
    with house.db.transaction() as tx:
        for number, days in enumerate((7, 8, 15, 20, 34)):
            ref = referrals.refer(tx, house.partner, FORM, house.now - timedelta(days=days))
            loan = tables.LoanRow(
                ref=f"L-{number}", referral=ref, state="out", due=None, created_at=NOON, closed_at=None
            )
            tx.s.add(loan)
            tx.s.flush()
            tx.s.add(
                tables.LoanItem(
                    loan=loan.ref, kind="device", device=None, label="x", network=None, allowance=None, state="out",
                    reserved_at=None, out_at=house.now, exit=None, closed_at=None, closed_how=None,
                )
            )  # fmt: skip
            if number == 3:
                tx.s.flush()
                few = next(one for one in quotas.offers(tx, "", house.now) if one.need == "laptop")
                assert few.weeks is None
    assert offer(house).weeks == (3, 5)
    assert offer(house, "", "tablet").weeks == (3, 5), "too few tablets: the wait of all"


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("ThinkPad T480", "laptop"), ("OptiPlex 3060", "desktop"), ("iPad (7th generation)", "tablet"),
        ("iPhone 8", "phone"), ("Galaxy Tab A", "tablet"), ("MacBook Air 2017", "laptop"), ("iMac 21.5", "desktop"),
    ],
)  # fmt: skip
def test_the_kind_of_a_device_is_told_by_its_name(model: str, kind: str) -> None:
    assert quotas.kind_of("", model) == kind


def test_stock_and_wait_are_shown_before_anything_is_asked(town: Town) -> None:
    text = town.browser("partner").get("/referrals/new").get_data(as_text=True)
    assert "What there is now" in text
    assert "Usual wait" in text
    assert text.index("What there is now") < text.index("Start")


def test_a_closed_kind_cannot_be_chosen_even_by_a_forged_form(town: Town) -> None:
    pool(town.house, "", "OFF", need="tablet")
    partner = town.browser("partner")
    name = begun(partner)
    shown = partner.get(f"/referrals/drafts/{name}/device").get_data(as_text=True)
    assert "None to give at the moment" in shown
    assert partner.post(f"/referrals/drafts/{name}/device", need="tablet").status_code == 422


def test_who_leads_invites_workers_of_the_own_organisation_only(town: Town) -> None:
    house, pat = town.house, town.browser("partner")
    before = pat.get("/team").get_data(as_text=True)
    assert "Nobody leads" in before
    assert "Invite" not in before
    assert pat.post("/team", name="X", email="x@example.org").status_code == 409
    with house.db.transaction() as tx:
        teams.set_lead(tx, house.desk, house.partner.account_id, house.tick(), lead=True)
    assert "Invite somebody" in pat.get("/team").get_data(as_text=True)
    link = pat.post("/team", name="Wanda Worker", email="wanda@example.org").get_data(as_text=True)
    assert "/set-password/" in link
    assert pat.post("/team", name="X", email="ola@example.org").status_code == 422, "Ola is of another partner"
    with house.db.read() as tx:
        wanda = next(one for one in people.list_accounts(tx) if one.email == "wanda@example.org")
    assert (wanda.partner_id, wanda.roles) == (house.partner.partner_id, ("partner",))
    pat.get("/team")
    assert "Ola" not in pat.get("/team").get_data(as_text=True)
    assert pat.post("/team/close", account=str(house.outsider.account_id)).status_code == 404
    assert pat.post("/team/close", account=str(house.partner.account_id)).status_code == 409
    assert pat.post("/team/close", account=str(wanda.id)).status_code == 200
    with house.db.read() as tx:
        assert people.actor(tx, wanda.id) is None
        assert people.actor(tx, house.outsider.account_id) is not None
    with pytest.raises(Refused), house.db.transaction() as tx:
        teams.invite(tx, house.outsider, house.partner.partner_id or 0, "z@example.org", "Z", house.tick())


def test_the_desk_sets_quotas_pools_and_leads_on_its_pages(town: Town) -> None:
    desk, number = town.browser("desk"), town.house.partner.partner_id
    desk.get(f"/partners/{number}")
    answers = {"borough": SEFTON, "paused": "", "most_": "5", "most_laptop": "2", "most_tablet": ""}
    assert desk.post(f"/partners/{number}", answers).status_code == 200
    with town.house.db.read() as tx:
        found = quotas.standing(tx, number or 0)
    assert (found.borough, dict(found.most)) == (SEFTON, {"": 5, "laptop": 2})
    assert desk.post(f"/partners/{number}", {"most_laptop": "many"}).status_code == 422
    pat = str(town.house.partner.account_id)
    assert desk.post(f"/partners/{number}/leads", account=pat, lead="yes").status_code == 200
    assert desk.post("/pools", {"borough": SEFTON, "mode_laptop": "AUTO", "kept_laptop": "3"}).status_code == 200
    with town.house.db.read() as tx:
        assert quotas.pools(tx)[(SEFTON, "laptop")] == ("AUTO", 3)
    assert desk.post("/pools", {"borough": SEFTON, "kept_laptop": "-1"}).status_code == 422
    assert desk.get("/partners/999").status_code == 404
