"""DuckDB over the files of an archive, with Sigma rules that pySigma has translated to SQL.

In: a question as JSON, {"files": [Parquet files], "sets": [{"name", "rules": [texts of rules]}], "runs": N}.
Out, on standard output: {"duckdb": version, "answers": [{"set", "form", "case", "seconds", "counts"}]}.

Every set is asked in two forms, as one SELECT with a sum for each rule and rule by rule, and in two ways to
compare: `sigma` ignores case, as the Sigma specification has it; `exact` compares whole values byte for byte, which
is not what the rules say, but lets DuckDB leave out row groups by their least and greatest value. One thread; the
files leave the page cache before each run; the best of the runs counts.

The SQL is that of pysigma-backend-sqlite, with what DuckDB writes otherwise. A field is the column that the archive
has for it: its text, or where a value is no plain text, its JSON.
"""

import json
import os
import re
import sys
import time

import duckdb
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection


def column_of(field):
    """The archive's name of a native field's column."""
    def clean(c):
        if c == ".":
            return "__"
        return c.lower() if re.fullmatch(r"[A-Za-z0-9_]", c) else f"_x{ord(c):x}_"
    return "".join(map(clean, field))


class DuckDB(sqliteBackend):
    """SQL as DuckDB reads it: LIKE there regards case, and `=` always does."""

    ignores_case = True
    max_flat_operands = 10_000
    wildcard_match_expression = "{field} ILIKE '{value}' ESCAPE '\\'"
    contains_expression = "{field} ILIKE '%{value}%' ESCAPE '\\'"
    re_expression = "regexp_matches({field}, '{regex}')"
    null_safe_expression = "COALESCE({expr}, false)"
    bool_expression = "{field}={value}"
    field_equals_field_expression = "lower({field1})=lower({field2})"

    def __init__(self, ignores_case):
        super().__init__()
        self.ignores_case = ignores_case
        self.fields = set()

    def escape_and_quote_field(self, field):
        self.fields.add(field)
        return '"' + column_of(field) + '"'

    def convert_condition_field_eq_val_str(self, cond, state):
        plain = str(cond.value)
        if self.ignores_case and not cond.value.contains_special():
            field = self.escape_and_quote_field(cond.field)
            return f"lower({field})='" + plain.lower().replace("'", "''") + "'"
        if not cond.value.contains_special():
            field = self.escape_and_quote_field(cond.field)
            return f"{field}='" + plain.replace("'", "''") + "'"
        return super().convert_condition_field_eq_val_str(cond, state)

    def convert_condition_field_eq_val_num(self, cond, state):
        return f"{self.escape_and_quote_field(cond.field)}='{cond.value}'"

    def finalize_query_default(self, rule, query, index, state):
        return query


def translated(texts, ignores_case):
    """[(id, WHERE)] of rules, and the fields that they ask for."""
    backend = DuckDB(ignores_case)
    rules = []
    for text in texts:
        for rule in SigmaCollection.from_yaml(text).rules:
            conditions = backend.convert_rule(rule)
            rules.append((str(rule.id or rule.title), " OR ".join(f"({c})" for c in conditions)))
    return rules, sorted(backend.fields)


def drop_cache(files):
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def opened(files, fields, there):
    """A connection with the view `events` of the fields that are asked for."""
    connection = duckdb.connect()
    connection.execute("SET threads=1")
    columns = []
    for column in sorted(set(map(column_of, fields))):
        held = [f'"{c}"' for c in (column, column + "__json") if c in there]
        value = {0: "NULL::VARCHAR", 1: held[0] if held else ""}.get(len(held), f"coalesce({', '.join(held)})")
        columns.append(f'{value} AS "{column}"')
    listed = "[" + ", ".join("'" + file.replace("'", "''") + "'" for file in files) + "]"
    connection.execute(
        f"CREATE VIEW events AS SELECT {', '.join(columns)} "
        f"FROM read_parquet({listed}, union_by_name=true, hive_partitioning=false)"
    )
    return connection


def one_select(connection, rules):
    sums = ", ".join(f"count(*) FILTER (WHERE {where})" for _, where in rules)
    row = connection.execute(f"SELECT {sums} FROM events").fetchone()
    return {name: count for (name, _), count in zip(rules, row)}


def rule_by_rule(connection, rules):
    return {
        name: connection.execute(f"SELECT count(*) FROM events WHERE {where}").fetchone()[0] for name, where in rules
    }


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        question = json.load(file)
    files = question["files"]
    listed = "[" + ", ".join("'" + file.replace("'", "''") + "'" for file in files) + "]"
    there = {
        row[0]
        for row in duckdb.connect()
        .execute(f"SELECT DISTINCT name FROM parquet_schema({listed})")
        .fetchall()
    }
    answers = []
    for asked in question["sets"]:
        for case in ("sigma", "exact"):
            rules, fields = translated(asked["rules"], case == "sigma")
            forms = [("one SELECT", one_select), ("rule by rule", rule_by_rule)]
            for form, run in forms if len(rules) > 1 else forms[1:]:
                best, counts = None, None
                for _ in range(question["runs"]):
                    drop_cache(files)
                    started = time.perf_counter()
                    with opened(files, fields, there) as connection:
                        counts = run(connection, rules)
                    seconds = time.perf_counter() - started
                    best = seconds if best is None else min(best, seconds)
                answers.append(
                    {"set": asked["name"], "form": form, "case": case, "seconds": best, "counts": counts}
                )
    json.dump({"duckdb": duckdb.__version__, "answers": answers}, sys.stdout)


if __name__ == "__main__":
    main()
