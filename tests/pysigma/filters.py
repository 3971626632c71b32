"""What pySigma's filters make of rules.

In: the cases in `cases/filters/*.yml`, laid out as those of pipelines. A case has `name`; `filters`, a text of one
or several filter documents; `rules`, a text of documents; `events`; and at times `pipeline`, a text.
Out: one entry for each case: what goes in, and what pySigma makes of each rule, or the error in which reading the
rules together with the filters ends.

Filters are applied while pySigma builds a collection, so before any pipeline.
"""

from __future__ import annotations

from sigma.processing.pipeline import ProcessingPipeline

import results
from expansions import Json


def entry(case: dict[str, Json]) -> dict[str, Json]:
    """The golden of one case."""
    given = {key: case[key] for key in ("file", "name", "filters", "pipeline", "rules", "events") if key in case}
    text = case["rules"].rstrip("\n") + "\n---\n" + case["filters"]
    pipeline = ProcessingPipeline.from_yaml(case.get("pipeline", "name: none"))
    before = results.of_rules(results.collection(case["rules"]), ProcessingPipeline(), case["events"])
    try:
        filtered = results.collection(text)
    except Exception as problem:  # whatever escapes from pySigma is its verdict
        return given | {"read": results.error(problem)}
    after = results.of_rules(filtered, pipeline, case["events"])
    return given | {"read": "accepted", "results": results.with_before(after, before)}
