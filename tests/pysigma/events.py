"""Whether an event meets a condition tree, by an evaluator that shares nothing with Virga.

In: a tree as `expansions.tree` writes it (None where nothing is left of a condition) and an event, a JSON
object. Out: true or false. The rules are those of `docs/semantics.md` as far as the cases need them: a field is
a path of names through nested objects, any element of an array may match, texts compare without regard to case,
an absent field fails every test but `null`, a regular expression may stand anywhere in the text. What is not
needed (a test on an object, `week` and its like) is an error, so that no case relies on it by chance.

Each verdict is computed twice, with names of fields exact and without regard to case, and with two ideas of a
letter's lower case; a case on which they differ is an error too, since it would show something else than it says.

Example: `{"on": "user.name", "is": {"op": "string", "parts": ["al"], "cased": false}}` holds for
`{"user": {"name": ["bo", "AL"]}}`.
"""

from __future__ import annotations

import ipaddress
import json
import operator
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import strings
from expansions import Json

NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}
FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}


def matches(tree: Json, event: dict[str, Json]) -> bool:
    """The verdict, the same under each way of reading names and letters."""
    verdicts = {
        Reading(exact=exact, simple=simple).holds(tree, event)
        for exact in (True, False)
        for simple in (True, False)
    }
    if len(verdicts) != 1:
        raise ValueError(f"the verdict on {json.dumps(event)} depends on case: {tree}")
    return verdicts.pop()


def unresolved(tree: Json) -> list[str]:
    """Placeholders and query texts that are left in a tree, sorted; such a tree has no verdict."""
    found: set[str] = set()
    match tree:
        case {"or": members} | {"and": members}:
            found.update(*(unresolved(member) for member in members))
        case {"not": member} | {"is": member}:
            found.update(unresolved(member))
        case {"op": "string", "parts": parts}:
            found.update(f"%{part['placeholder']}%" for part in parts if "placeholder" in part)
        case {"op": "re", "placeholders": names}:
            found.update(f"%{name}%" for name in names)
        case {"op": "query", "expression": expression}:
            found.add(expression)
    return sorted(found)


class Reading:
    """One way to read names of fields (`exact` or without regard to case) and letters (`simple` or Python's)."""

    def __init__(self, *, exact: bool, simple: bool) -> None:
        self.exact = exact
        self.simple = simple

    def holds(self, tree: Json, event: dict[str, Json]) -> bool:
        match tree:
            case None:
                return False
            case {"or": members}:
                return any(self.holds(member, event) for member in members)
            case {"and": members}:
                return all(self.holds(member, event) for member in members)
            case {"not": member}:
                return not self.holds(member, event)
            case {"on": None, "is": leaf}:
                return any(self.found_in(leaf, scalar) for scalar in scalars(event))
            case {"on": str() as field, "is": leaf}:
                return self.test(leaf, list(self.values(event, field.split("."))), event)
        raise ValueError(f"no verdict on {tree}")

    def values(self, node: Json, path: list[str]) -> Iterator[Json]:
        """Every value under a path, elements of arrays one by one; nothing when the path is absent."""
        if isinstance(node, list):
            for element in node:
                yield from self.values(element, path)
        elif not path:
            yield node
        elif isinstance(node, dict):
            for key, member in node.items():
                if key == path[0] or (not self.exact and key.lower() == path[0].lower()):
                    yield from self.values(member, path[1:])

    def test(self, leaf: Json, found: list[Json], event: dict[str, Json]) -> bool:
        """A test on a field, whose values are `found`."""
        match leaf:
            case {"or": members}:
                return any(self.test(member, found, event) for member in members)
            case {"op": "null"}:
                return not found or None in found
            case {"op": "exists", "value": wanted}:
                return bool(found) == wanted
            case {"op": "fieldref", "field": other, "startswith": False, "endswith": False}:
                others = self.values(event, other.split("."))
                return any(self.fold(text(one)) == self.fold(text(two)) for two in others for one in found)
        return any(self.passes(leaf, value) for value in found if value is not None)

    def passes(self, leaf: Json, value: Json) -> bool:
        """A test on one scalar that is not null."""
        match leaf:
            case {"op": "string", "parts": parts, "cased": cased}:
                if is_number(value) and len(parts) == 1 and number(parts[0]) is not None:
                    return number(parts[0]) == number(value)
                return strings.string_holds(parts, cased, text(value), self.simple)
            case {"op": "re", "pattern": pattern, "flags": flags}:
                combined = sum((FLAGS[flag] for flag in flags), re.NOFLAG)
                return re.search(pattern, text(value), combined) is not None
            case {"op": "num", "number": wanted}:
                return number(value) == number(wanted)
            case {"op": "bool", "value": wanted}:
                return self.fold(text(value)) == text(wanted)
            case {"op": "compare", "cmp": name, "number": limit}:
                got = number(value)
                return got is not None and COMPARE[name](got, number(limit))
            case {"op": "cidr", "network": network}:
                return ipaddress.ip_address(text(value)) in ipaddress.ip_network(network)
        raise ValueError(f"no verdict on a value for {leaf}")

    def found_in(self, leaf: Json, value: Json) -> bool:
        """A keyword, which may stand anywhere in a scalar."""
        match leaf:
            case {"op": "string", "parts": parts, "cased": cased}:
                anywhere = [{"wild": "*"}, *parts, {"wild": "*"}]
                return strings.string_holds(anywhere, cased, text(value), self.simple)
            case {"op": "re"}:
                return self.passes(leaf, value)
        raise ValueError(f"no verdict on the keyword {leaf}")

    def fold(self, value: str) -> str:
        return strings.simple_lower(value) if self.simple else value.casefold()


def scalars(node: Json) -> Iterator[Json]:
    """Every scalar of an event that is not null."""
    if isinstance(node, (dict, list)):
        for member in node.values() if isinstance(node, dict) else node:
            yield from scalars(member)
    elif node is not None:
        yield node


def is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def number(value: Json) -> Decimal | None:
    """What a scalar is as a number: a number, or a text that reads as one."""
    readable = isinstance(value, str) and NUMBER.fullmatch(value) is not None
    return Decimal(str(value)) if readable or is_number(value) else None


def text(value: Json) -> str:
    if isinstance(value, (dict, list)):
        raise ValueError(f"a case tests something that is no scalar: {value}")
    return value if isinstance(value, str) else json.dumps(value)


def verdicts(trees: list[Json], events: list[dict[str, Json]]) -> list[bool]:
    """For each event whether a rule of these conditions matches it: one of them is enough."""
    return [any(map(partial(matches, event=event), trees)) for event in events]
