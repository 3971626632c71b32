#!/usr/bin/env bash
# Runs the pySigma oracle in a virtual environment outside the checkout.
#
#   tests/pysigma/run.sh validity --rules DIR     write goldens/validity.json
#   tests/pysigma/run.sh modifiers                write goldens/modifiers.json
#   tests/pysigma/run.sh matches                  write goldens/matches.json
#   tests/pysigma/run.sh pipelines                write goldens/pipelines.json
#   tests/pysigma/run.sh filters                  write goldens/filters.json
#   tests/pysigma/run.sh SUBCOMMAND --check       compare with the golden, exit 1 with a diff
#
# In: the arguments of oracle.py. Environment: VIRGA_CACHE (default ~/.cache/virga) holds the virtual
# environment, PYTHON (default python3) makes it. Exit: that of oracle.py; 2 when there is no Python 3.11 or
# newer; 3 when pySigma could not be installed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=$here/requirements.txt
python=${PYTHON:-python3}
version=$(sed -n 's/^pysigma==//p' "$requirements")
venv=${VIRGA_CACHE:-$HOME/.cache/virga}/pysigma-$version
# A finished installation carries a copy of what it was made from; a changed pin makes it anew.
stamp=$venv/requirements.txt

if ! cmp -s "$requirements" "$stamp"; then
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "pysigma oracle: $python is missing or older than 3.11, which pySigma $version needs" >&2
        exit 2
    fi
    rm -rf "$venv"
    mkdir -p "$(dirname "$venv")"
    "$python" -m venv "$venv"
    log=$venv/install.log
    if ! "$venv/bin/pip" install --disable-pip-version-check --retries 1 --timeout 20 \
        --requirement "$requirements" >"$log" 2>&1; then
        echo "pysigma oracle: could not install pySigma $version from the Python package index (PyPI)." >&2
        echo "The index has to be reachable once; afterwards $venv is used offline. The last lines of pip:" >&2
        tail -n 5 "$log" >&2
        exit 3
    fi
    cp "$requirements" "$stamp"
fi

exec "$venv/bin/python" -B "$here/oracle.py" "$@"
