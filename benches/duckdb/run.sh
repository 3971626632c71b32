#!/usr/bin/env bash
# Runs DuckDB over the files of an archive, in a virtual environment outside the checkout.
#
#   benches/duckdb/run.sh QUESTION.json      what to ask, see peer.py; the answer is JSON on standard output
#
# Environment: VIRGA_CACHE (default ~/.cache/virga) holds the virtual environment, PYTHON (default python3) makes
# it. Exit: that of peer.py; 2 when there is no Python 3.11 or newer; 3 when DuckDB could not be installed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=$here/requirements.txt
python=${PYTHON:-python3}
version=$(sed -n 's/^duckdb==//p' "$requirements")
venv=${VIRGA_CACHE:-$HOME/.cache/virga}/duckdb-$version
# A finished installation carries a copy of what it was made from; a changed pin makes it anew.
stamp=$venv/requirements.txt

if ! cmp -s "$requirements" "$stamp"; then
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "duckdb: $python is missing or older than 3.11, which pySigma needs" >&2
        exit 2
    fi
    rm -rf "$venv"
    mkdir -p "$(dirname "$venv")"
    "$python" -m venv "$venv"
    log=$venv/install.log
    if ! "$venv/bin/pip" install --disable-pip-version-check --retries 1 --timeout 20 \
        --requirement "$requirements" >"$log" 2>&1; then
        echo "duckdb: could not install DuckDB $version from the Python package index (PyPI). The last lines of pip:" >&2
        tail -n 5 "$log" >&2
        exit 3
    fi
    cp "$requirements" "$stamp"
fi

exec "$venv/bin/python" -B "$here/peer.py" "$@"
