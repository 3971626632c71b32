"""Which rules pySigma takes, and which it rejects.

In: the text of one YAML file, or a folder of rules. Out: None, or where and why pySigma rejects it.

A text is valid when pySigma's strict YAML reader takes it (the one of `SigmaRule.from_yaml`, which refuses a
duplicate key), `SigmaCollection` builds a rule from every document, the rules that correlations refer to are
found, and every condition parses. pySigma parses a condition on first use, so this file asks for each of
them. Nothing here depends on a backend or a pipeline.

Example: a condition that names a selection which is not there gives
`{"error": "SigmaConditionError", "reason": "unknown-selection"}`.
"""

from __future__ import annotations

import copy
import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from sigma.collection import SigmaCollection
from sigma.conditions import SigmaCondition
from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule
from sigma.rule.base import SigmaYAMLLoader

from expansions import Json, tree
from reasons import failure

# Actions of the retired collection format that only prepare the documents after them.
PREPARING = ("global", "reset")


def documents(text: str) -> list[Any]:
    """The documents of a text as the strict reader sees them, empty ones left out."""
    return [document for document in yaml.load_all(text, SigmaYAMLLoader) if document is not None]


def conditions(collection: SigmaCollection) -> Iterator[SigmaCondition]:
    """Every condition of every rule and filter, in order."""
    for rule in collection.rules:
        if isinstance(rule, SigmaRule):
            yield from rule.detection.parsed_condition
    for rule_filter in collection.filters:
        yield from rule_filter.filter.parsed_condition


def parse(collection: SigmaCollection) -> None:
    """Has pySigma parse every condition, which it puts off; the errors of that are raised here."""
    for condition in conditions(collection):
        condition.parse()


def judge(text: str) -> dict[str, Json]:
    """The verdict on one case of ours, with what pySigma read out of it when it is valid.

    `loose` is there when `SigmaCollection.from_yaml`, which reads YAML less strictly, decides otherwise.
    """
    try:
        collection = SigmaCollection.from_dicts(documents(text))
        trees = [tree(condition.parse(), fields=True) for condition in conditions(collection)]
        rules = [correlation(rule) for rule in collection.rules if isinstance(rule, SigmaCorrelationRule)]
        verdict: dict[str, Json] = {"valid": True} | (
            {"correlations": rules} if rules else {"conditions": trees}
        )
    except Exception as error:  # whatever escapes from pySigma is its verdict
        verdict = {"valid": False} | failure(error)
    loose = is_valid_read_loosely(text)
    return verdict if loose == verdict["valid"] else verdict | {"loose": loose}


def correlation(rule: SigmaCorrelationRule) -> dict[str, Json]:
    """Type, length of the time span in seconds, and condition, with the defaults filled in."""
    condition = rule.condition.to_dict()
    return {"type": str(rule.type), "seconds": rule.timespan.seconds, "condition": condition}


def is_valid_read_loosely(text: str) -> bool:
    try:
        parse(SigmaCollection.from_yaml(text))
    except Exception:
        return False
    return True


def reject(text: str) -> list[dict[str, Json]]:
    """One entry for each document of a file that pySigma rejects; `document` counts from 1."""
    try:
        read = documents(text)
    except yaml.YAMLError as error:
        return [failure(error)]
    entries: list[dict[str, Json]] = []
    for number, document in enumerate(read, start=1):
        if document.get("action") in PREPARING:
            continue
        before = [other for other in read[: number - 1] if other.get("action") in PREPARING]
        problem = document_error([*before, document])
        if problem is not None:
            entries.append(({"document": number} if len(read) > 1 else {}) | failure(problem))
    return entries


def document_error(context: list[Any]) -> Exception | None:
    """Why pySigma rejects the last document, read after those that prepare it.

    It gets a copy, because it changes what it reads.
    """
    try:
        parse(SigmaCollection.from_dicts(copy.deepcopy(context), resolve_references=False))
    except Exception as error:
        return error
    return None


def archive(folder: Path) -> dict[str, Json]:
    """The verdicts on a set of rules: a digest of it, counts for each top folder, what is rejected."""
    digest = hashlib.sha256()
    counts: dict[str, dict[str, int]] = {}
    invalid: list[dict[str, Json]] = []
    for path, data in rule_files(folder):
        digest.update(f"{path} {hashlib.sha256(data).hexdigest()}\n".encode())
        text = data.decode("utf-8")
        rejected = reject(text)
        count = counts.setdefault(path.split("/")[0], {"files": 0, "valid": 0, "invalid": 0})
        count["files"] += 1
        count["invalid" if rejected else "valid"] += 1
        invalid += [{"path": path} | entry for entry in rejected]
    if not counts:
        raise FileNotFoundError(f"no rules in {folder}: expected .yml files or a .tar.xz of them")
    return {"sha256": digest.hexdigest(), "counts": counts, "invalid": invalid}


def rule_files(folder: Path) -> list[tuple[str, bytes]]:
    """Relative path and bytes of every rule, sorted by path, from the folder itself or the archives in it."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.yml")}
    for packed in sorted(folder.glob("*.tar.xz")):
        with tarfile.open(packed, "r:xz") as tar:
            for member in tar:
                data = tar.extractfile(member) if member.name.endswith(".yml") else None
                if data is not None:
                    found[member.name.removeprefix("./")] = data.read()
    return sorted(found.items())
