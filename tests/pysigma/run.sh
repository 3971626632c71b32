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
# In: the arguments of oracle.py. Environment and exit 2 or 3: those of tests/support/python.sh. Else the exit is
# that of oracle.py.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=$("$here/../support/python.sh" --pinned pysigma "$here/requirements.txt")
exec "$python" -B "$here/oracle.py" "$@"
