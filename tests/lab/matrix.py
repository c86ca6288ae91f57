"""Lies against methods: what came out for each, held against what has to, and the table that is published.

A cell is one JSON answer of `tests.lab.cells` with `lie` ("" for the honest drive) and `left`: whether somebody who
looks behind the drive, at the chips, still finds a letter there.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from tests.lab.scenario import Seen

Column = Mapping[str, Mapping[str, Any]]


def judged(
    table: Mapping[str, Column],
    *,
    true: Collection[str],
    unseen: Collection[str],
    honest: Callable[[str, Mapping[str, Any]], bool] = lambda method, cell: True,
) -> Seen:
    """Hold a matrix (method -> lie -> cell) against what has to be.

    `true` are no lies and have to be done, with nothing left and what `honest` asks besides; `unseen` cannot be
    seen from outside, and say that they rest on the drive's own word. Raises AssertionError with what is wrong.
    """
    cells = [(method, lie, cell) for method, column in table.items() for lie, cell in column.items()]
    seen = [each for each in cells if each[1] not in {*true, *unseen}]
    false = [(method, lie) for method, lie, cell in seen if cell["outcome"] == "DONE"]
    assert not false, f"called DONE although it was a lie: {false}"
    wrong = [
        (method, lie, cell) for method, lie, cell in cells
        if lie in true and not (cell["outcome"] == "DONE" and not cell["left"] and honest(method, cell))
    ]  # fmt: skip
    assert not wrong, f"an honest drive was not done, or something is left: {wrong}"
    on_its_word = [(method, lie, cell) for method, lie, cell in cells if lie in unseen]
    silent = [each for each in on_its_word if not any("own word" in text for text in each[2]["exceptions"])]
    assert not silent, f"rests on the drive's word and does not say so: {silent}"
    return Seen(
        f"false DONE 0 of {len(seen)}; {len(on_its_word)} cells nobody can see from outside", page(table, unseen)
    )


def page(table: Mapping[str, Column], unseen: Collection[str]) -> str:
    """Return the matrix as markdown, one row for each lie."""
    rows = dict.fromkeys(lie for column in table.values() for lie in column)
    lines = [f"| what the drive does | {' | '.join(table)} |", f"|---|{'---|' * len(table)}"]
    for lie in rows:
        cells = [_cell(column.get(lie), lie in unseen) for column in table.values()]
        lines.append(f"| {lie or 'honest'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(cell: Mapping[str, Any] | None, unseen: bool) -> str:
    if cell is None:
        return "not in this run"
    if cell["outcome"] == "DONE":
        return f"DONE ({cell['claim']})" + (": **cannot be seen, rests on the drive's word**" if unseen else "")
    return f"{cell['outcome']} ({', '.join(cell['reasons'][:2])})"


def stepping(told: Sequence[str], size: int) -> list[Sequence[str]]:
    """Cut a row of lies into pieces of `size`."""
    return [told[at : at + size] for at in range(0, len(told), size)]
