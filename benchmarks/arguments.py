"""What the benchmarks are told on the command line."""

from __future__ import annotations

import argparse


def count(text: str) -> int:
    """A whole number above 0. :raises ArgumentTypeError: something else"""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}: want a whole number above 0")
    return int(text)


def rounds(about: str | None, default: int) -> int:
    """The only argument of a benchmark that repeats one thing.

    :param about: the module's own words
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=count, nargs="?", default=default, metavar="ROUNDS", help=f"({default})")
    found: int = parser.parse_args().rounds
    return found
