#!/usr/bin/env bash
# Prints the path of a Python that has some packages of PyPI, installing them into the cache the first time.
#   python.sh NAME 'import a, b' 'a>=1,<2' 'b'
# Exit status 3, with a word on standard error, where they cannot be had.
set -euo pipefail

name="$1" needs="$2"
shift 2
cache="${VIRGA_CACHE:-$HOME/.cache/virga}/python"
python="$cache/$name/bin/python"
has() { [ -x "$python" ] && "$python" -c "$needs" 2>/dev/null; }
if has; then
  echo "$python"
  exit 0
fi
command -v python3 >/dev/null || { echo "skipped: no python3 for $name" >&2; exit 3; }
mkdir -p "$cache"
exec 9>"$cache/$name.lock"
# several tests may come here at once: one installs
flock 9
if ! has; then
  python3 -m venv "$cache/$name" >&2 && "$cache/$name/bin/pip" install --quiet "$@" >&2 || {
    echo "skipped: $* (PyPI) could not be installed into $cache" >&2
    exit 3
  }
fi
echo "$python"
