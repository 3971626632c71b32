#!/usr/bin/env bash
# Memory of `virga detect` on a long stream: generated CloudTrail through a pipe, never on disk.
#   benches/memory.sh [EVENTS]      7,600,000 events are 10 GB, the default
# Fails where an event is missing or the peak is 300 MB or more. Needs Python 3 to read the peak.
set -euo pipefail
cd "$(dirname "$0")/.."
events="${1:-7600000}"

cargo build --release --quiet --package virga
cargo build --release --quiet --package virga-benches --bin generate
target="${CARGO_TARGET_DIR:-target}/release"

"$target/generate" --events "$events" --seed 7 --quiet | python3 -c '
import resource, subprocess, sys
virga, events = sys.argv[1], int(sys.argv[2])
run = subprocess.run([virga, "detect", "--source", "aws.cloudtrail", "-"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(run.stderr.strip())
print(f"peak {peak:.0f} MB")
sys.exit(not (run.returncode == 0 and run.stderr.startswith(f"{events:,} events") and peak < 300))
' "$target/virga" "$events"
