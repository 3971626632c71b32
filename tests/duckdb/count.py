"""Counts an archive's events by DuckDB, pandas and PyArrow, while others write to it.

In: a line for each count that is asked for, on standard input; the first argument is the table's folder. Out: a
JSON object a line: {"version": n, "log": events that the Delta log says, "duckdb": rows, "distinct": different
ids, "files": n}, and for the line `pandas` also {"pandas": rows, "arrow": rows}. A line `at N` counts version N.

DuckDB reads the files that the Delta log names at that version. Its own `delta` extension has to be downloaded;
where it can be, `delta_scan` is counted too, as {"delta_scan": rows}.
"""

import json
import sys

import duckdb
from deltalake import DeltaTable


def files_of(table):
    """The files of a version, and the events that the log says they hold."""
    import pyarrow

    actions = pyarrow.table(table.get_add_actions(flatten=True)).to_pylist()
    folder = table.table_uri.removeprefix("file://").rstrip("/")
    paths = [folder + "/" + action["path"] for action in actions]
    return paths, sum(action["num_records"] for action in actions)


def delta_scan(connection, folder):
    """What the extension counts; nothing where it is not to be had."""
    try:
        connection.execute("LOAD delta")
    except duckdb.Error:
        return None
    return connection.execute("SELECT count(*) FROM delta_scan(?)", [folder]).fetchone()[0]


def count(folder, asked):
    words = asked.split()
    table = DeltaTable(folder, version=int(words[1])) if words[:1] == ["at"] else DeltaTable(folder)
    paths, log = files_of(table)
    connection = duckdb.connect()
    rows, distinct = 0, 0
    if paths:
        query = "SELECT count(*), count(DISTINCT event_id) FROM read_parquet(?, union_by_name = true)"
        rows, distinct = connection.execute(query, [paths]).fetchone()
    answer = {"version": table.version(), "log": log, "duckdb": rows, "distinct": distinct, "files": len(paths)}
    if words[:1] == ["pandas"]:
        answer["pandas"] = len(table.to_pandas(columns=["event_id", "source", "time"]))
        answer["arrow"] = table.to_pyarrow_dataset().count_rows()
        answer["delta_scan"] = delta_scan(connection, folder)
    return answer


def main():
    folder = sys.argv[1]
    for line in sys.stdin:
        try:
            print(json.dumps(count(folder, line)), flush=True)
        except Exception as error:  # told to the test, which fails with it
            print(json.dumps({"error": repr(error)}), flush=True)


main()
