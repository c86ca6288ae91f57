"""The one table of personal data: it misses no column, and everything that is published says what it says."""

import pytest

from lending import privacy, schema

HISTORY = {"installation", "event", "event_mention", "attachment", "quarantine"}
MACHINES = {"origin", "writer_key", "enrolment_code", "device", "medium"}


def office() -> set[str]:
    return {
        f"{table.name}.{column.name}"
        for table in schema.metadata().sorted_tables
        if table.name not in HISTORY | MACHINES
        for column in table.columns
    }


def test_every_column_of_the_office_is_personal_with_a_clock_or_said_not_to_be() -> None:
    named = set(privacy.columns()) | set(privacy.plain_columns())
    assert office() - named == set(), "add each to FIELDS or NOT_PERSONAL in lending/privacy_fields.py"
    assert named - office() == set(), "these columns are gone"


def test_no_column_is_said_to_be_both() -> None:
    assert set(privacy.columns()) & set(privacy.plain_columns()) == set()
    names = [name for field in privacy.FIELDS for name in field.columns]
    assert len(names) == len(set(names)), "a column in two fields has two clocks"


@pytest.mark.parametrize("field", privacy.FIELDS, ids=lambda field: field.columns[0])
def test_every_field_says_everything_in_whole_words(field: privacy.Field) -> None:
    assert field.basis in privacy.BASES
    assert field.clock in privacy.CLOCKS
    assert field.about in privacy.GROUPS
    assert all((field.what, field.purpose, field.seen_by, field.end, field.source))


def test_what_is_sealed_in_the_database_is_said_to_be_sealed() -> None:
    for name, field in privacy.columns().items():
        if name.endswith((".sealed", ".contact")) and not name.startswith("one_time_code"):
            assert field.sealed, name


def test_consent_is_nobodys_basis() -> None:
    assert "consent" not in privacy.BASES


@pytest.mark.parametrize("name", privacy.CLOCKS)
def test_what_the_notice_says_of_a_clock_is_what_the_erasure_counts(name: str) -> None:
    said = {7: "7 days", 30: "30 days", 90: "90 days", 365: "12 months", 730: "2 years"}
    clock = privacy.CLOCKS[name]
    assert clock.nightly == (clock.days is not None)
    if clock.days is not None:
        assert clock.words.startswith(said[clock.days])
