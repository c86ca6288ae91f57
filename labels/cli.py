"""`kitbank-labels`: make, check and print label codes.

Exit codes: 0 done, 1 unexpected, 2 wrong usage or no such code, 4 not printed.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from random import Random

from labels import Label, codes, outlets, render, unprintable
from labels.label import LabelError

USAGE, NOT_DONE = 2, 4


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; the console script."""
    args = parser(os.environ).parse_args(argv)
    try:
        return int(args.verb(args))
    except (codes.BadCode, LabelError) as error:
        print(f"kitbank-labels: {error}", file=sys.stderr)
        return USAGE
    except outlets.OutletError as error:
        print(f"kitbank-labels: {error}", file=sys.stderr)
        return NOT_DONE


def parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    """Return the parser; `KITBANK_HOST_ADDRESS` in the environment is the host that labels name."""
    top = argparse.ArgumentParser(prog="kitbank-labels", description="Make, check and print label codes.")
    verbs = top.add_subparsers(required=True, metavar="VERB")
    made = verbs.add_parser("new", help="make new codes")
    made.add_argument("count", type=_count, nargs="?", default=1, metavar="N")
    made.add_argument("--json", action="store_true", help="a JSON list")
    made.set_defaults(verb=new)
    checked = verbs.add_parser(
        "check", help="check a code or an address; say what is wrong and offer the right one"
    )
    checked.add_argument("code")
    checked.add_argument("--json", action="store_true", help="a JSON object")
    checked.set_defaults(verb=check)
    rendered = verbs.add_parser("render", help="print labels for these codes")
    rendered.add_argument("codes", nargs="+", metavar="CODE")
    _printing(rendered, environ, "zpl:57x32")
    rendered.set_defaults(verb=render_codes)
    sheets = verbs.add_parser("sheet", help="print N labels with new codes, to be claimed when first scanned")
    sheets.add_argument("count", type=_count, metavar="N")
    _printing(sheets, environ, "pdf:avery-l7160")
    sheets.set_defaults(verb=sheet)
    return top


def _printing(verb: argparse.ArgumentParser, environ: Mapping[str, str], usual: str) -> None:
    host = environ.get("KITBANK_HOST_ADDRESS")
    verb.add_argument(
        "--as", dest="fmt", default=usual, metavar="FORMAT", help=f"such as zpl:57x32 (default {usual})"
    )
    verb.add_argument("--title", default="", help="first line, bold")
    verb.add_argument("--line", action="append", default=[], help="a further line; may be repeated")
    verb.add_argument(
        "--host", default=host, required=not host, help="host of the lending service (KITBANK_HOST_ADDRESS)"
    )
    verb.add_argument("--start", type=_count, default=1, help="first free place of a part-used sheet, from 1")
    verb.add_argument(
        "--to", default="file:labels.pdf", metavar="OUTLET", help="file:PATH or tcp://HOST:PORT"
    )


def new(args: argparse.Namespace, rng: Random | None = None) -> int:
    """Print new codes."""
    made = [codes.new(rng) for _ in range(args.count)]
    print(json.dumps(made) if args.json else "\n".join(codes.pretty(code) for code in made))
    return 0


def check(args: argparse.Namespace) -> int:
    """Print the code in its one spelling, or what is wrong with it and the right one to offer."""
    try:
        code = codes.parse(args.code)
    except codes.BadCode as bad:
        if not args.json:
            raise
        told = {
            "ok": False,
            "why": bad.why,
            "text": str(bad),
            "position": bad.position,
            "wrong": bad.wrong,
            "right": bad.right,
            "suggestion": bad.suggestion,
        }
        print(json.dumps(told, ensure_ascii=False))
        return USAGE
    print(
        json.dumps({"ok": True, "code": code, "pretty": codes.pretty(code)})
        if args.json
        else codes.pretty(code)
    )
    return 0


def render_codes(args: argparse.Namespace) -> int:
    """Print labels for codes that exist."""
    return _print(args, [codes.parse(text) for text in args.codes])


def sheet(args: argparse.Namespace, rng: Random | None = None) -> int:
    """Print labels with new codes and list the codes."""
    made = [codes.new(rng) for _ in range(args.count)]
    done = _print(args, made)
    print("\n".join(codes.pretty(code) for code in made))
    return done


def _print(args: argparse.Namespace, wanted: list[str]) -> int:
    labels = [Label(code, args.title, tuple(args.line), args.host) for code in wanted]
    for sentence in unprintable(labels, args.fmt):
        print(f"kitbank-labels: {sentence}", file=sys.stderr)
    outlets.send(render(labels, args.fmt, start=args.start), args.to)
    return 0


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 10000")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
