"""The oracle: asks pySigma, and keeps its answers as goldens.

In: `cases/` (rules, values, patterns, pipelines, filters and events of our own) and, for `validity`, a folder of
SigmaHQ rules. Out: a file in `goldens/` for each subcommand; with `--check` nothing is written, and the exit status
is 1 with a diff when pySigma's answers are not those of the golden.

Example: `run.sh modifiers --check`. The formats of the goldens are in README.md.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import os
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import yaml
from sigma.modifiers import modifier_mapping

import expansions
import filters
import pipelines
import strings
import verdicts
from expansions import Json

HERE = Path(__file__).resolve().parent


def main() -> int:
    arguments = parse_arguments()
    golden = HERE / "goldens" / f"{arguments.golden}.json"
    with quiet():
        made = {"pysigma": version("pysigma")} | MAKERS[arguments.golden](arguments)
    if arguments.check:
        return check(golden, made)
    golden.write_text(written(made), encoding="utf-8")
    print(f"{golden.name}: written")
    return 0


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drops what the regular expression library writes to standard error for each pattern it rejects.

    It writes from outside Python, so the descriptor itself is turned away.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="oracle.py", description="Keeps pySigma's answers as goldens.")
    commands = parser.add_subparsers(dest="golden", required=True)
    helps = {
        "validity": "which rules pySigma takes",
        "modifiers": "what every modifier makes of a value",
        "matches": "which values a string matches",
        "pipelines": "what processing pipelines make of rules",
        "filters": "what filters make of rules",
    }
    for name, text in helps.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--check", action="store_true", help="compare with the golden, write nothing")
        if name == "validity":
            command.add_argument(
                "--rules", type=Path, metavar="DIR", help="SigmaHQ rules, as files or as .tar.xz"
            )
    arguments = parser.parse_args()
    if arguments.golden == "validity" and arguments.rules is None and not arguments.check:
        parser.error("writing the golden of validity needs --rules DIR; only --check can do without")
    return arguments


def validity(arguments: argparse.Namespace) -> dict[str, Json]:
    """The rules of the archive and our own cases; a check without `--rules` leaves the archive out."""
    cases = load("validity")
    entries = [{"name": case["name"]} | verdicts.judge(case["rule"]) for case in cases]
    refuse_repeated(entries)
    archive = {} if arguments.rules is None else {"archive": verdicts.archive(arguments.rules)}
    return archive | {"cases": entries}


def modifiers(_: argparse.Namespace) -> dict[str, Json]:
    """Every field and value of the groups, crossed; pySigma's modifiers; how YAML types a scalar."""
    cases = load("modifiers")
    entries = [
        {"field": field, "value": value, "expansion": expansions.expand(field, value)}
        for group in cases["groups"]
        for field in group["fields"]
        for value in group["values"]
    ]
    refuse_repeated([{key: entry[key] for key in ("field", "value")} for entry in entries])
    used = {name for entry in entries for name in entry["field"].split("|")[1:]}
    if missing := sorted(set(modifier_mapping) - used):
        raise ValueError(f"no case uses the modifiers {missing}")
    scalars = [expansions.scalar(text) for text in cases["scalars"]]
    return {"modifiers": sorted(modifier_mapping), "cases": entries, "scalars": scalars}


def matches(_: argparse.Namespace) -> dict[str, Json]:
    """Every pattern of the groups against every value of its group."""
    entries = list(match_entries())
    refuse_repeated(entries)
    return {"cases": entries}


def match_entries() -> Iterator[dict[str, Json]]:
    for group in load("matches")["groups"]:
        names = group.get("modifiers", [])
        for pattern in group["patterns"]:
            for value in group["values"]:
                expected = strings.matches(pattern, names, value)
                entry = {"pattern": pattern, "modifiers": names, "value": value, "expected": expected}
                simple = strings.matches(pattern, names, value, simple=True)
                yield entry if simple == expected else entry | {"simple_lowercase": simple}


def processing(_: argparse.Namespace) -> dict[str, Json]:
    """The pipelines of our own; all that pySigma registers takes part."""
    cases = pipelines.load(HERE / "cases" / "pipelines")
    pipelines.refuse_gaps(cases)
    refuse_repeated(cases)
    return pipelines.registered() | {"cases": [pipelines.entry(case) for case in cases]}


def filtering(_: argparse.Namespace) -> dict[str, Json]:
    """The filters of our own."""
    cases = pipelines.load(HERE / "cases" / "filters")
    refuse_repeated(cases)
    return {"cases": [filters.entry(case) for case in cases]}


MAKERS = {
    "validity": validity,
    "modifiers": modifiers,
    "matches": matches,
    "pipelines": processing,
    "filters": filtering,
}


def load(name: str) -> Json:
    return yaml.safe_load((HERE / "cases" / f"{name}.yml").read_text(encoding="utf-8"))


def refuse_repeated(entries: list[Json]) -> None:
    """A case that stands there twice is a slip of the pen, and a name given twice hides a verdict."""
    seen: set[str] = set()
    for entry in entries:
        key = entry.get("name") or json.dumps(entry, sort_keys=True)
        if key in seen:
            raise ValueError(f"repeated case: {key}")
        seen.add(key)


def check(golden: Path, made: dict[str, Json]) -> int:
    """Compares the sections that were made; a golden may hold one more, the archive."""
    kept = json.loads(golden.read_text(encoding="utf-8"))
    expected = {key: section for key, section in kept.items() if key in made}
    before, after = written(expected).splitlines(), written(made).splitlines()
    names = f"{golden.name} (kept)", f"{golden.name} (pySigma)"
    diff = list(difflib.unified_diff(before, after, *names, n=0, lineterm=""))
    print("\n".join(diff) if diff else f"{golden.name}: the same")
    return 1 if diff else 0


def written(sections: dict[str, Json]) -> str:
    """JSON in ASCII with one entry of a list on a line, so that a diff names the entries that changed."""
    body = ",\n".join(f"{json.dumps(key)}: {section_text(section)}" for key, section in sections.items())
    return "{\n" + body + "\n}\n"


def section_text(section: Json) -> str:
    if isinstance(section, dict):
        return written(section).rstrip("\n")
    if isinstance(section, list) and section and isinstance(section[0], dict):
        return "[\n" + ",\n".join(json.dumps(entry, allow_nan=False) for entry in section) + "\n]"
    return json.dumps(section)


if __name__ == "__main__":
    sys.exit(main())
