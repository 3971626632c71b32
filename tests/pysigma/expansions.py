"""What one detection item becomes once pySigma has applied its modifiers.

In: a field with its modifiers (`CommandLine|contains|windash`) and a YAML value, or the condition tree of a
whole rule. Out: plain JSON: `{"or": [...]}`, `{"and": [...]}` and `{"not": ...}` over leaves such as
`{"op": "string", "parts": [{"wild": "*"}, "text"], "cased": false}`, or `{"error": "SigmaTypeError"}`.

Everything is read from the objects that pySigma itself built (`SigmaString.s`, `SigmaExpansion.values`,
`SigmaCompareExpression.op`, ...): this file holds no opinion about Sigma. An `or` or `and` of one member is
written as that member, neighbouring pieces of text are joined and empty ones dropped; the order is pySigma's.

Example: `F|startswith: a*b` gives
`{"op": "string", "parts": ["a", {"wild": "*"}, "b", {"wild": "*"}], "cased": false}`.
"""

from __future__ import annotations

import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import yaml
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.rule import SigmaDetection, SigmaDetectionItem, SigmaDetections
from sigma.rule.base import SigmaYAMLLoader
from sigma.types import (
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaQueryExpression,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
    sigma_type,
)

from reasons import failure

Json = Any

WILDCARDS = {SpecialChars.WILDCARD_MULTI: "*", SpecialChars.WILDCARD_SINGLE: "?"}


def expand(field: str, value: Json) -> Json:
    """The expansion of one `field: value` line of a detection, or the error that it ends in."""
    try:
        item = SigmaDetectionItem.from_mapping(field, value)
        detections = SigmaDetections({"item": SigmaDetection([item])}, ["item"])
        return tree(item.postprocess(detections), fields=False)
    except Exception as error:  # whatever escapes from pySigma is its verdict
        return failure(error)


def scalar(text: str) -> Json:
    """How pySigma's YAML reader types one plain scalar, and the Sigma value that it becomes."""
    try:
        loaded = yaml.load(text, SigmaYAMLLoader)
    except yaml.YAMLError as error:
        return {"yaml": text} | failure(error)
    entry = {"yaml": text, "type": "null" if loaded is None else type(loaded).__name__}
    if isinstance(loaded, (datetime.date, datetime.datetime)):
        entry["iso"] = loaded.isoformat()
    try:
        return entry | {"value": leaf(sigma_type(loaded))}
    except Exception as error:
        return entry | {"value": failure(error)}


def tree(node: Any, fields: bool) -> Json:
    """One node of a condition tree that pySigma has postprocessed.

    With `fields` a leaf is `{"on": field, "is": leaf}`, the field being null for a keyword; without them it
    is the leaf alone.
    """
    match node:
        case ConditionNOT():
            return {"not": tree(node.args[0], fields)}
        case ConditionOR():
            return linked("or", [tree(member, fields) for member in node.args])
        case ConditionAND():
            return linked("and", [tree(member, fields) for member in node.args])
        case ConditionFieldEqualsValueExpression():
            return {"on": node.field, "is": leaf(node.value)} if fields else leaf(node.value)
        case ConditionValueExpression():
            return {"on": None, "is": leaf(node.value)} if fields else leaf(node.value)
    raise TypeError(f"no canonical form for {type(node).__name__}")


def leaf(value: SigmaType) -> Json:
    """One value; the order of the tests matters where pySigma's types derive from each other."""
    match value:
        case SigmaExpansion():
            return linked("or", [leaf(member) for member in value.values])
        case SigmaString():
            return {"op": "string", "parts": parts(value), "cased": isinstance(value, SigmaCasedString)}
        case SigmaRegularExpression():
            return regular_expression(value)
        case SigmaCIDRExpression():
            return {"op": "cidr", "network": network(value.network)}
        case SigmaCompareExpression():
            compared = leaf(value.number)
            del compared["op"]
            return {"op": "compare", "cmp": value.op.name.lower()} | compared
        case SigmaTimestampPart():
            part = value.timestamp_part.name.lower()
            return {"op": "timestamp_part", "part": part, "number": value.number}
        case SigmaNumber():
            return {"op": "num", "number": value.number}
        case SigmaBool():
            return {"op": "bool", "value": value.boolean}
        case SigmaNull():
            return {"op": "null"}
        case SigmaExists():
            return {"op": "exists", "value": value.exists}
        case SigmaFieldReference():
            sides = {"startswith": value.starts_with, "endswith": value.ends_with}
            return {"op": "fieldref", "field": value.field} | sides
        case SigmaQueryExpression():
            return {"op": "query", "expression": value.expr, "id": value.id}
    raise TypeError(f"no canonical form for {type(value).__name__}")


def regular_expression(value: SigmaRegularExpression) -> Json:
    """Pattern and flags apart; `placeholders` is there only when `expand` found some."""
    flags = sorted(value.sigma_to_re_flag[flag] for flag in value.flags)
    form = {"op": "re", "pattern": str(value.regexp), "flags": flags}
    if isinstance(value.regexp, SigmaString) and value.contains_placeholder():
        form["placeholders"] = [part.name for part in value.regexp.s if isinstance(part, Placeholder)]
    return form


def network(value: IPv4Network | IPv6Network) -> str:
    """Address and length; an IPv6 address in all its eight groups, which no version of Python shortens."""
    if isinstance(value, IPv4Network):
        return str(value)
    address = value.network_address
    scope = f"%{address.scope_id}" if address.scope_id else ""
    return f"{address.packed.hex(':', 2)}{scope}/{value.prefixlen}"


def parts(string: SigmaString) -> list[Json]:
    """Text as JSON strings, `*` and `?` as `{"wild": ...}`, `%name%` as `{"placeholder": "name"}`."""
    out: list[Json] = []
    for part in string.s:
        if isinstance(part, SpecialChars):
            out.append({"wild": WILDCARDS[part]})
        elif isinstance(part, Placeholder):
            out.append({"placeholder": part.name})
        elif out and isinstance(out[-1], str):
            out[-1] += part
        elif part:
            out.append(part)
    return out


def linked(operator: str, members: list[Json]) -> Json:
    """`or` or `and` of the members; one member stands for itself."""
    return members[0] if len(members) == 1 else {operator: members}
