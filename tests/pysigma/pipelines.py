"""What pySigma's processing pipelines make of rules.

In: the cases in `cases/pipelines/*.yml`. A file is a map: `cases`, and `rules` and `events` for those of its cases
that have none of their own. A case has `name`; `pipeline`, a text, or `pipelines`, a map from the name under which
a pipeline is given to its text, in the order in which they are given; `rules`, a text of documents; `events`; and
`refuse`, what Virga has to refuse by name where pySigma does not.
Out: one entry for each case: what goes in, whether pySigma reads the pipelines, what it makes of each rule.

Example: a pipeline with the unknown key `foo` gives
`"read": {"error": "SigmaConfigurationError", "reason": "unknown-pipeline-key", "message": …}` and no results.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import yaml
from sigma.processing.conditions import detection_item_conditions, field_name_conditions, rule_conditions
from sigma.processing.finalization import finalizers
from sigma.processing.pipeline import ProcessingPipeline
from sigma.processing.postprocessing import query_postprocessing_transformations
from sigma.processing.resolver import ProcessingPipelineResolver
from sigma.processing.transformations import transformations

import results
from expansions import Json

KINDS = {
    "transformations": transformations,
    "postprocessing": query_postprocessing_transformations,
    "finalizers": finalizers,
    "rule_conditions": rule_conditions,
    "detection_item_conditions": detection_item_conditions,
    "field_name_conditions": field_name_conditions,
}


def load(folder: Path) -> list[dict[str, Json]]:
    """The cases of a folder, by name of file and then as they stand, with what the file gives them all."""
    cases: list[dict[str, Json]] = []
    for path in sorted(folder.glob("*.yml")):
        file = yaml.safe_load(path.read_text(encoding="utf-8"))
        shared = {key: file[key] for key in ("rules", "filters", "events") if key in file}
        cases += [{"file": path.stem} | shared | case for case in file["cases"]]
    return cases


def entry(case: dict[str, Json]) -> dict[str, Json]:
    """The golden of one case."""
    texts = case["pipelines"] if "pipelines" in case else {"pipeline.yml": case["pipeline"]}
    given = {
        "file": case["file"],
        "name": case["name"],
        "pipelines": [{"as": name, "text": text} for name, text in texts.items()],
        "rules": case["rules"],
        "events": case["events"],
    }
    if "refuse" in case:
        given["refuse"] = case["refuse"]
    try:
        pipeline = resolve(texts)
    except Exception as problem:  # whatever escapes from pySigma is its verdict
        return given | {"read": results.error(problem)}
    before, after = (
        results.of_rules(results.collection(case["rules"]), applied, case["events"])
        for applied in (ProcessingPipeline(), pipeline)
    )
    return given | {"read": "accepted", "results": results.with_before(after, before)}


def resolve(texts: dict[str, str]) -> ProcessingPipeline:
    """The pipelines as one, put in order by pySigma itself."""
    named = {name: ProcessingPipeline.from_yaml(text) for name, text in texts.items()}
    return ProcessingPipelineResolver(named).resolve(list(named))


def registered() -> dict[str, list[str]]:
    """What pySigma knows, by kind."""
    return {kind: sorted(names) for kind, names in KINDS.items()}


def refuse_gaps(cases: list[dict[str, Json]]) -> None:
    """Every type that pySigma registers has to stand in some case, at its place."""
    used: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for case in cases:
        for text in case["pipelines"].values() if "pipelines" in case else [case["pipeline"]]:
            with contextlib.suppress(yaml.YAMLError):
                collect(yaml.safe_load(text), used)
    missing = {kind: sorted(set(names) - used[kind]) for kind, names in KINDS.items()}
    if any(missing.values()):
        raise ValueError(f"no case uses {missing}")


def collect(node: Json, used: dict[str, set[str]]) -> None:
    """The types that stand in a pipeline, also in wrong ones."""
    if isinstance(node, list):
        for member in node:
            collect(member, used)
    if not isinstance(node, dict):
        return
    for key, member in node.items():
        if key in used and isinstance(member, (list, dict)):
            items = member if isinstance(member, list) else member.values()
            used[key] |= {str(item["type"]) for item in items if isinstance(item, dict) and "type" in item}
        collect(member, used)
