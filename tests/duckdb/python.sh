#!/usr/bin/env bash
# Prints the path of a Python that has DuckDB, pandas and deltalake (PyPI), installing them into the cache the
# first time. Exit status 3, with a word on standard error, where they cannot be had.
set -euo pipefail

cache="${VIRGA_CACHE:-$HOME/.cache/virga}/python"
python="$cache/duckdb/bin/python"
needs='import duckdb, deltalake, pandas, pyarrow'
if [ -x "$python" ] && "$python" -c "$needs" 2>/dev/null; then
  echo "$python"
  exit 0
fi
command -v python3 >/dev/null || { echo "skipped: no python3 for DuckDB" >&2; exit 3; }
mkdir -p "$cache"
exec 9>"$cache/duckdb.lock"
# several tests may come here at once: one installs
flock 9
if ! [ -x "$python" ] || ! "$python" -c "$needs" 2>/dev/null; then
  python3 -m venv "$cache/duckdb" >&2 &&
    "$cache/duckdb/bin/pip" install --quiet 'duckdb>=1.3,<2' 'deltalake>=1.1,<2' 'pandas>=2,<4' 'pyarrow>=20' >&2 || {
    echo "skipped: duckdb, deltalake and pandas (PyPI) could not be installed into $cache" >&2
    exit 3
  }
fi
echo "$python"
