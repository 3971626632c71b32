#!/usr/bin/env bash
# Prints the path of a Python that has moto (S3, SQS, SNS, EventBridge and STS for tests), installing it into
# the cache the first time. Exit status 3, with a word on standard error, where that cannot be had.
set -euo pipefail

cache="${VIRGA_CACHE:-$HOME/.cache/virga}/python"
python="$cache/moto/bin/python"
if [ -x "$python" ] && "$python" -c 'import moto.server, boto3' 2>/dev/null; then
  echo "$python"
  exit 0
fi
command -v python3 >/dev/null || { echo "skipped: no python3 for a store to test against" >&2; exit 3; }
mkdir -p "$cache"
exec 9>"$cache/lock"
# several tests may come here at once: one installs
flock 9
if ! [ -x "$python" ] || ! "$python" -c 'import moto.server, boto3' 2>/dev/null; then
  python3 -m venv "$cache/moto" >&2 && "$cache/moto/bin/pip" install --quiet 'moto[server]>=5.2,<6' >&2 || {
    echo "skipped: moto (PyPI) could not be installed into $cache" >&2
    exit 3
  }
fi
echo "$python"
