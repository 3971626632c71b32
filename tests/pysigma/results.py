"""What pySigma has made of rules once filters and pipelines were applied to them.

In: the rules of a collection and the pipeline that is applied to each. Out: plain JSON for each rule: the trees
of its conditions, the same trees as a readable text, names of fields, log source, attributes, and which events
match; or the error that ended it.

Where a transformation has dropped all that a selection held, pySigma's tree has a gap. A gap is left out as
pySigma's text backends leave it out: `and` and `or` go on without it, `not` of a gap is a gap, and a condition
that is nothing but a gap is null and matches no event.

Example: a rule `sel and not other`, of which `other` was dropped, has the conditions `[{"on": "a", "is": …}]` and
the dump `["a = \"x\""]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

from sigma.collection import SigmaCollection
from sigma.conditions import ConditionAND, ConditionNOT, ConditionOR
from sigma.correlations import SigmaCorrelationCondition, SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.processing.pipeline import ProcessingPipeline
from sigma.rule import SigmaDetection, SigmaRule

import events
from expansions import Json, linked, tree
from reasons import failure
from verdicts import documents

# Names that pySigma draws at random, objects that it prints into its messages, what newer Pythons add to theirs.
RANDOM = re.compile(r"(?<![A-Za-z])_(filt|cond)_[a-z]{10}")
PRINTED = re.compile(r"( for| in rule \w+ condition)? ?\b[A-Z]\w*(Transformation|Condition)\(.*", re.DOTALL)
HINT = re.compile(r"\. Did you mean .*")


def error(problem: Exception) -> dict[str, Json]:
    """Class and code as everywhere, and pySigma's message without what changes from run to run."""
    form = failure(problem)
    if not isinstance(problem, SigmaError):
        return form
    message = HINT.sub("", PRINTED.sub("", RANDOM.sub(r"_\1_*", str(problem))))
    head, separator, names = message.partition("not mapped: ")
    return form | {"message": head + separator + ", ".join(sorted(names.split(", ")))}


def attempt(make: Callable[[], dict[str, Json]]) -> dict[str, Json]:
    """What `make` returns, or the error that escapes from it."""
    try:
        return make()
    except Exception as problem:  # whatever escapes from pySigma is its verdict
        return error(problem)


def collection(text: str) -> SigmaCollection:
    """The rules of a text; its filters are applied to them here."""
    return SigmaCollection.from_dicts(documents(text))


def of_rules(
    rules: SigmaCollection, pipeline: ProcessingPipeline, samples: list[dict[str, Json]]
) -> list[Json]:
    """One result for each rule, in the order in which pySigma converts them."""
    found: list[Json] = []
    for rule in rules:
        result = {"title": rule.title} | attempt(partial(of_rule, rule, pipeline))
        found.append(result | verdict(result["conditions"], samples) if "conditions" in result else result)
    return found


def verdict(trees: list[Json], samples: list[dict[str, Json]]) -> dict[str, Json]:
    """The trees as text, and which events match; or what is left in them that can't be asked of an event."""
    left = sorted({name for form in trees for name in events.unresolved(form)})
    found = {"unresolved": left} if left else {"matches": events.verdicts(trees, samples)}
    return {"dump": [dump(form) for form in trees]} | found


def with_before(after: list[Json], before: list[Json]) -> list[Json]:
    """The results, each with the verdicts on the rule as it was."""
    pairs = zip(after, before, strict=True)
    return [new | ({"before": old["matches"]} if "matches" in old else {}) for new, old in pairs]


def of_rule(rule: SigmaRule | SigmaCorrelationRule, pipeline: ProcessingPipeline) -> dict[str, Json]:
    """What a pipeline leaves of one rule; the pipeline changes the rule itself."""
    pipeline.apply(rule)
    common = {
        "list": list(rule.fields),
        "custom": {key: value for key, value in plain(rule.custom_attributes).items() if key != "correlation"},
        "state": plain(pipeline.state),
    }
    if isinstance(rule, SigmaCorrelationRule):
        return {"correlation": of_correlation(rule)} | common
    trees = [shape(condition.parse()) for condition in rule.detection.parsed_condition]
    source = {part: getattr(rule.logsource, part) for part in ("category", "product", "service")}
    names = {name for detection in rule.detection.detections.values() for name in field_names(detection)}
    return {
        "logsource": {part: value for part, value in source.items() if value is not None},
        "fields": sorted(names),
        "conditions": trees,
    } | common


def of_correlation(rule: SigmaCorrelationRule) -> dict[str, Json]:
    """The parts of a correlation that hold names of fields."""
    aliases = {
        alias.alias: {reference.reference: field for reference, field in alias.mapping.items()}
        for alias in rule.aliases
    }
    condition = rule.condition
    field = condition.fieldref if isinstance(condition, SigmaCorrelationCondition) else None
    return {"group-by": rule.group_by, "aliases": aliases, "field": field}


def shape(node: Any) -> Json:
    """A tree of pySigma's with its gaps left out; None when nothing is left."""
    match node:
        case None:
            return None
        case ConditionNOT():
            inner = shape(node.args[0]) if node.args else None
            return None if inner is None else {"not": inner}
        case ConditionAND() | ConditionOR():
            members = [member for member in map(shape, node.args) if member is not None]
            return linked("and" if isinstance(node, ConditionAND) else "or", members) if members else None
    return tree(node, fields=True)


def field_names(detection: SigmaDetection) -> set[str]:
    """Every field of a selection, used by a condition or not."""
    names: set[str] = set()
    for item in detection.detection_items:
        if isinstance(item, SigmaDetection):
            names |= field_names(item)
        elif item.field is not None:
            names.add(item.field)
    return names


def plain(value: Any) -> Json:
    """A value that YAML gave, as JSON."""
    match value:
        case dict():
            return {str(key): plain(member) for key, member in value.items()}
        case list():
            return [plain(member) for member in value]
        case date():
            return value.isoformat()
    return value


def dump(form: Json) -> str:
    """A tree as a text to read, with the members of `and` and `or` in pySigma's order."""
    match form:
        case None:
            return "nothing"
        case {"or": members} | {"and": members}:
            word = next(iter(form))
            return f" {word} ".join(bracketed(member) for member in members)
        case {"not": member}:
            return f"not {bracketed(member)}"
        case {"on": field, "is": leaf}:
            return test("keyword" if field is None else field, leaf)
    raise ValueError(f"no text for {form}")


def bracketed(form: Json) -> str:
    return f"({dump(form)})" if form and ("or" in form or "and" in form) else dump(form)


def test(field: str, leaf: Json) -> str:
    match leaf:
        case {"or": members}:
            return "(" + " or ".join(test(field, member) for member in members) + ")"
        case {"op": "string", "parts": parts, "cased": cased}:
            return f'{field} {"==" if cased else "="} "{"".join(map(written, parts))}"'
        case {"op": "re", "pattern": pattern, "flags": flags}:
            return f"{field} ~ /{pattern}/{''.join(flags)}"
        case {"op": "num", "number": value} | {"op": "bool", "value": value}:
            return f"{field} = {str(value).lower()}"
        case {"op": "null"}:
            return f"{field} = null"
        case {"op": "compare", "cmp": name, "number": value}:
            return f"{field} {name} {value}"
        case {"op": "cidr", "network": network}:
            return f"{field} in {network}"
        case {"op": "exists", "value": value}:
            return f"{field} exists" if value else f"{field} is absent"
        case {"op": "fieldref", "field": other, "startswith": starts, "endswith": ends}:
            return f"{field} = {'*' if ends else ''}@{other}{'*' if starts else ''}"
        case {"op": "query", "expression": expression, "id": name}:
            return f"{field} query {expression!r} for {name}"
    raise ValueError(f"no text for {leaf}")


def written(part: Json) -> str:
    """A part of a string: text with what wildcards and escapes are made of escaped, a wildcard, a placeholder."""
    match part:
        case str():
            return re.sub(r"([*?\\])", r"\\\1", part)
        case {"wild": sign}:
            return sign
        case {"placeholder": name}:
            return f"%{name}%"
    raise ValueError(f"no text for {part}")
