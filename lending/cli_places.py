"""`kitbank-lending places …`: reading in where postcodes lie, and asking."""

import argparse
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lending import place_import, places
from lending.config import Config
from lending.opening import open_database
from lending.place_import import Imported
from lending.place_tables import PlaceEdition

Said = tuple[Mapping[str, Any] | list[Any], str]
Verb = Callable[[str, Callable[[argparse.Namespace, Config], Said], str], argparse.ArgumentParser]
EVERY = 100_000


def add(verb: Verb) -> None:
    """Add the verb to the command line."""
    made = verb("places", run, "Read in ONSPD, NSPL or Code-Point Open; show what was read in; look up a postcode.")
    made.add_argument("what", choices=("import", "import-imd", "import-default", "show", "find"))
    made.add_argument("argument", nargs="?", help="a file (.csv, .csv.gz, .zip as published), or a postcode to find")
    made.add_argument("--edition", default="", help="name of the edition, where the file's name does not say it")
    made.add_argument("--skip-errors", action="store_true", help="leave out rows that cannot be used")


def run(args: argparse.Namespace, config: Config) -> Said:
    """Do one of the things; raises what the use cases raise."""
    db = open_database(config)
    try:
        if args.what == "show":
            with db.read() as tx:
                return _editions(places.editions(tx))
        if args.what == "find":
            with db.read() as tx:
                return _answer(places.find(tx, config.region, args.argument or ""))
        with db.transaction() as tx:
            now = datetime.now(UTC)
            if args.what == "import-default":
                done = place_import.import_default(tx, config.region, now, _progress())
            else:
                done = place_import.import_file(
                    tx, Path(args.argument or ""), now, edition=args.edition, skip_errors=args.skip_errors,
                    progress=_progress(),
                )  # fmt: skip
        return _imported(done)
    finally:
        db.close()


def _progress() -> Callable[[int], None]:
    """Return a function that says on the error stream how far it is, every hundred thousand rows."""
    said = 0

    def say(rows: int) -> None:
        nonlocal said
        if rows // EVERY > said:
            said = rows // EVERY
            print(f"{rows:,} rows …", file=sys.stderr, flush=True)

    return say


def _imported(done: Imported) -> Said:
    data = {
        "kind": done.kind, "product": done.product, "edition": done.edition, "rows": done.rows,
        "left_out": done.left_out, "errors": done.error_count, "already": done.already,
    }  # fmt: skip
    if done.already:
        return data, f"{done.product} {done.edition} was read in already ({done.rows:,} rows); nothing was changed."
    words = [f"{done.rows:,} {done.kind} of {done.product}, {done.edition}, were read in."]
    if done.left_out:
        words.append(f"{done.left_out:,} have no authority (Isle of Man, Channel Islands, never placed): left out.")
    if done.error_count:
        words.append(f"{done.error_count:,} rows could not be used and were left out; the first:")
        words += [f"  {one}" for one in done.errors]
    return data, "\n".join(words)


def _editions(found: list[PlaceEdition]) -> Said:
    data = [
        {"kind": one.kind, "product": one.product, "edition": one.edition, "file": one.filename, "rows": one.rows,
         "at": one.imported_at} for one in found
    ]  # fmt: skip
    lines = [
        f"{one.imported_at:%Y-%m-%d}  {one.kind:9}  {one.product} {one.edition}  {one.rows:,} rows  {one.filename}"
        for one in found
    ]
    return data, "\n".join(lines) or "Nothing was read in yet. Run `kitbank-lending places import-default`."


def _answer(found: places.Answer) -> Said:
    where = ", ".join(text for text in (found.ward_name or found.ward, found.authority_name or found.authority) if text)
    tenth = f"; tenth {found.decile} of {found.decile_index}" if found.decile else ""
    return found.__dict__, f"{found.postcode}: {found.status}" + (f" ({where}{tenth})" if where else "")
