#!/usr/bin/env bash
# Prints the path of a Python that has some packages of PyPI, in a virtual environment outside the checkout. They
# are installed the first time; after it no network is needed.
#
#   python.sh NAME 'import a, b' 'a>=1,<2' 'b'    whatever versions do: it is there as long as the import works
#   python.sh --pinned NAME REQUIREMENTS          the very versions of a file, of which NAME's names the environment;
#                                                 it is made anew where the file changes
#
# Environment: VIRGA_CACHE (default ~/.cache/virga) holds the virtual environments, PYTHON (default python3) makes
# them. Exit: 2, pinned alone, where there is no Python 3.11 or newer; 3 where the packages cannot be had. Each with a
# word on standard error.
set -euo pipefail

cache=${VIRGA_CACHE:-$HOME/.cache/virga}
make=${PYTHON:-python3}

# Several tests may come here at once: one installs.
lock() {
  mkdir -p "$(dirname "$1")"
  exec 9>"$1.lock"
  flock 9
}

pinned() {
  local name=$1 requirements=$2 version venv stamp
  version=$(sed -n "s/^$name==//p" "$requirements")
  venv=$cache/$name-$version
  # a finished installation carries a copy of what it was made from
  stamp=$venv/requirements.txt
  if ! cmp -s "$requirements" "$stamp"; then
    if ! "$make" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name: $make is missing or older than 3.11, which $name $version needs" >&2
      exit 2
    fi
    lock "$venv"
    cmp -s "$requirements" "$stamp" || install_pinned "$name" "$version" "$requirements" "$venv"
  fi
  echo "$venv/bin/python"
}

install_pinned() {
  local name=$1 version=$2 requirements=$3 venv=$4
  rm -rf "$venv"
  "$make" -m venv "$venv" >&2
  if ! "$venv/bin/pip" install --disable-pip-version-check --retries 1 --timeout 20 \
      --requirement "$requirements" >"$venv/install.log" 2>&1; then
    echo "$name: could not install $name $version from the Python package index (PyPI)." >&2
    echo "The index has to be reachable once; afterwards $venv is used offline. The last lines of pip:" >&2
    tail -n 5 "$venv/install.log" >&2
    exit 3
  fi
  cp "$requirements" "$venv/requirements.txt"
}

any() {
  local name=$1 needs=$2 venv=$cache/python/$1
  shift 2
  has() { [ -x "$venv/bin/python" ] && "$venv/bin/python" -c "$needs" 2>/dev/null; }
  if ! has; then
    command -v "$make" >/dev/null || { echo "skipped: no $make for $name" >&2; exit 3; }
    lock "$venv"
    if ! has; then
      "$make" -m venv "$venv" >&2 && "$venv/bin/pip" install --quiet "$@" >&2 || {
        echo "skipped: $* (PyPI) could not be installed into $cache/python" >&2
        exit 3
      }
    fi
  fi
  echo "$venv/bin/python"
}

case $1 in
  --pinned) shift; pinned "$@" ;;
  *) any "$@" ;;
esac
