"""What is kept about people, in one table: why, on which basis, who sees it, until when, and what happens then.

The table is `FIELDS` (its rows stand in `lending.privacy_fields`). From it are made: the public privacy notice, the
record of processing, the drafts of the assessments (`lending.privacy_papers`), and the nightly erasure
(`lending.retention`), so that none of them can say what another does not do. A test walks every column of every table
of the office and fails for one that is neither a field nor listed as not personal.
"""

from collections.abc import Mapping, Sequence

from lending.privacy_fields import FIELDS, NOT_PERSONAL
from lending.privacy_words import BASES, CLOCKS, GROUPS, Basis, Clock, Field

__all__ = [
    "BASES", "CLOCKS", "FIELDS", "GROUPS", "NOT_PERSONAL", "Basis", "Clock", "Field", "about", "clock_of", "columns",
    "plain_columns",
]  # fmt: skip


def columns(fields: Sequence[Field] = FIELDS) -> Mapping[str, Field]:
    """Return `table.column` -> its field, for every column with data about people."""
    return {name: field for field in fields for name in field.columns}


def plain_columns() -> Mapping[str, str]:
    """Return `table.column` -> why it is not personal, for every other column of the office."""
    return {f"{table}.{name}": why for table, (names, why) in NOT_PERSONAL.items() for name in names.split()}


def about(group: str) -> list[Field]:
    """Return the fields about one group of people (`GROUPS`), in the order of the table."""
    return [field for field in FIELDS if field.about == group]


def clock_of(name: str) -> Clock:
    """Return the clock of a column. Raises `KeyError` when the column is not about people."""
    return CLOCKS[columns()[name].clock]
