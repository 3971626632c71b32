#!/usr/bin/env bash
# Prints the path of Azurite, Azure's own emulator of its blob store, for tests. It is installed from npm the first
# time, outside the checkout; after it no network is needed.
#
# Environment: VIRGA_CACHE (default ~/.cache/virga). Exit: 3, with a word on standard error, where it cannot be had.
set -euo pipefail

folder=${VIRGA_CACHE:-$HOME/.cache/virga}/azurite
server=$folder/node_modules/azurite/dist/src/blob/main.js

if [ ! -f "$server" ]; then
  command -v node >/dev/null && command -v npm >/dev/null || { echo "skipped: no node with npm for Azurite" >&2; exit 3; }
  mkdir -p "$folder"
  # several tests may come here at once: one installs
  exec 9>"$folder.lock"
  flock 9
  if [ ! -f "$server" ]; then
    npm install --prefix "$folder" --no-audit --no-fund --loglevel=error 'azurite@^3.35' >&2 ||
      { echo "skipped: azurite (npm) could not be installed into $folder" >&2; exit 3; }
  fi
fi
echo "$server"
