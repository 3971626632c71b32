#!/usr/bin/env bash
# Runs DuckDB over the files of an archive, in a virtual environment outside the checkout.
#
#   benches/duckdb/run.sh QUESTION.json      what to ask, see peer.py; the answer is JSON on standard output
#
# Environment and exit 2 or 3: those of tests/support/python.sh. Else the exit is that of peer.py.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=$("$here/../../tests/support/python.sh" --pinned duckdb "$here/requirements.txt")
exec "$python" -B "$here/peer.py" "$@"
