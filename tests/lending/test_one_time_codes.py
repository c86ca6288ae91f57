"""One-time codes: sealed, counted only after a first right one, used once; recovery codes, throttling."""

from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select

from custody.errors import Refused
from lending import one_time_codes, people, tables
from lending.access_tables import OneTimeCodeRow, RecoveryCodeRow
from tests.lending.house import House


def switched_on(house: House) -> tuple[str, list[str]]:
    """Set codes up for the desk; return the secret and the recovery codes."""
    with house.db.transaction() as tx:
        secret = one_time_codes.begin(tx, house.desk, "Kitbank", house.now).secret
        spare = one_time_codes.confirm(tx, house.desk, code(house, secret), house.now)
    later(house, 60)
    return secret, spare


def code(house: House, secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(int(house.now.timestamp()) + 30 * steps)


def later(house: House, seconds: int) -> None:
    house.now += timedelta(seconds=seconds)


def check(house: House, typed: str) -> str | None:
    with house.db.transaction() as tx:
        return one_time_codes.check(tx, house.desk.account_id, typed, house.now)


def test_codes_count_only_after_the_first_right_one(house: House) -> None:
    with house.db.transaction() as tx:
        made = one_time_codes.begin(tx, house.desk, "Kitbank", house.now)
        assert "Kitbank" in made.address
        assert made.secret in made.address
        assert made.secret not in repr(made)
        assert made.picture().startswith(b"<?xml")
        again = one_time_codes.waiting(tx, house.desk, "Kitbank")
        assert again is not None
        assert again.secret == made.secret
        assert not one_time_codes.has_any(tx, house.desk.account_id)
        with pytest.raises(Refused, match="not the code"):
            one_time_codes.confirm(tx, house.desk, "000000", house.now)
        one_time_codes.confirm(tx, house.desk, " ".join(code(house, made.secret)), house.now)
        assert one_time_codes.has_any(tx, house.desk.account_id)
        assert one_time_codes.waiting(tx, house.desk, "Kitbank") is None
        with pytest.raises(Refused, match="on already"):
            one_time_codes.begin(tx, house.desk, "Kitbank", house.now)


def test_a_code_works_once_even_the_one_that_switched_them_on(house: House) -> None:
    with house.db.transaction() as tx:
        secret = one_time_codes.begin(tx, house.desk, "Kitbank", house.now).secret
        one_time_codes.confirm(tx, house.desk, code(house, secret), house.now)
    assert check(house, code(house, secret)) is None
    later(house, 30)
    used = code(house, secret)
    assert check(house, used) == "code"
    assert check(house, used) is None
    later(house, 30)
    assert check(house, code(house, secret, -1)) is None  # the neighbour that was used already
    assert check(house, code(house, secret)) == "code"


def test_clocks_may_differ_by_half_a_minute_and_no_more(house: House) -> None:
    secret, _ = switched_on(house)
    for steps, right in ((-2, None), (2, None), (-1, "code"), (1, "code"), (0, None)):
        assert check(house, code(house, secret, steps)) == right  # after +1 an older one is a used one


def test_after_five_wrong_codes_the_right_one_waits_for_that_account_only(house: House) -> None:
    secret, spare = switched_on(house)
    for wrong in ("000000", "abc", "", "12345678", "٠٠٠٠٠٠"):
        assert check(house, wrong) is None
    for typed in (code(house, secret), spare[0]):
        with pytest.raises(Refused) as no:
            check(house, typed)
        assert no.value.reasons[0].code == "throttled"
    with house.db.transaction() as tx:
        assert one_time_codes.check(tx, house.volunteer.account_id, "000000", house.now) is None
    later(house, int(people.WINDOW.total_seconds()) + 1)
    assert check(house, code(house, secret)) == "code"


def test_recovery_codes_work_once_each_and_new_ones_replace_them(house: House) -> None:
    _, spare = switched_on(house)
    assert len(set(spare)) == one_time_codes.RECOVERY_CODES
    assert check(house, spare[0]) == "recovery"
    assert check(house, spare[0]) is None
    assert check(house, spare[1].lower().replace("-", " ").replace("0", "o")) == "recovery"
    with house.db.transaction() as tx:
        assert one_time_codes.state(tx, house.desk.account_id).recovery_left == 8
        assert one_time_codes.check(tx, house.volunteer.account_id, spare[2], house.now) is None
        new = one_time_codes.replaced(tx, house.desk)
    assert check(house, spare[2]) is None
    assert check(house, new[0]) == "recovery"
    with house.db.transaction() as tx, pytest.raises(Refused, match="not on"):
        one_time_codes.replaced(tx, house.volunteer)


def test_neither_the_secret_nor_a_recovery_code_stands_in_the_database(house: House) -> None:
    secret, spare = switched_on(house)
    with house.db.read() as tx:
        sealed = tx.s.scalars(select(OneTimeCodeRow.sealed)).one()
        kept = " ".join(tx.s.scalars(select(RecoveryCodeRow.code_hash)))
        tries = " ".join(tx.s.scalars(select(tables.SignInAttempt.key)))
    assert secret.encode() not in sealed
    assert not any(one in kept or one.replace("-", "") in kept for one in spare)
    assert "code:" not in tries


def test_switched_off_nothing_of_them_is_left(house: House) -> None:
    secret, spare = switched_on(house)
    with house.db.transaction() as tx:
        one_time_codes.switch_off(tx, house.desk.account_id)
        assert not one_time_codes.state(tx, house.desk.account_id).on
    assert check(house, code(house, secret)) is None
    assert check(house, spare[0]) is None
