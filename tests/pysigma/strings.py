"""Whether a Sigma string matches a value, by the parts that pySigma split the string into.

In: a pattern as it stands in a rule, its modifiers (only those that end in strings) and the value of an
event. Out: true or false. The parts become a regular expression for the whole value: text as it is, `*` any
run of characters, `?` exactly one (a Unicode code point), line breaks included; without regard to case unless
`cased`.

Two ideas of case are computed: that of Python's `re.IGNORECASE`, which takes some letters for equal that have
different simple lower cases, and `simple`, which lowers each code point by itself, as Virga does. They differ
on a handful of letters only.

Example: pattern `a\\*` (an escaped asterisk) matches `A*` and not `ab`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from expansions import Json, expand

Fold = Callable[[str], str]


def simple_lower(text: str) -> str:
    """Each code point's simple lower case; U+0130 is the only one whose full lower case is longer."""
    return "".join("i" if char == "\u0130" else char.lower() for char in text)


def matches(pattern: str, modifiers: list[str], value: str, *, simple: bool = False) -> bool:
    """Whether `value` satisfies the string under its modifiers."""
    return holds(expand("|".join(["F", *modifiers]), pattern), value, simple)


def holds(form: Json, value: str, simple: bool) -> bool:
    """Evaluates an expansion whose leaves are strings."""
    match form:
        case {"or": members}:
            return any(holds(member, value, simple) for member in members)
        case {"and": members}:
            return all(holds(member, value, simple) for member in members)
        case {"not": member}:
            return not holds(member, value, simple)
        case {"op": "string", "parts": parts, "cased": cased}:
            return string_holds(parts, cased, value, simple)
    raise ValueError(f"a case of string matching ends in {form}")


def string_holds(parts: list[Json], cased: bool, value: str, simple: bool) -> bool:
    fold: Fold = simple_lower if simple and not cased else str
    flags = re.DOTALL if cased or simple else re.DOTALL | re.IGNORECASE
    pattern = "".join(part_pattern(part, fold) for part in parts)
    return re.fullmatch(pattern, fold(value), flags) is not None


def part_pattern(part: Json, fold: Fold) -> str:
    match part:
        case str():
            return re.escape(fold(part))
        case {"wild": "*"}:
            return ".*"
        case {"wild": "?"}:
            return "."
    raise ValueError(f"a case of string matching has the part {part}")
