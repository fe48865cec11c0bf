#!/usr/bin/env bash
# devices_test.sh README DEVICES...: the README's table is what the build graph says, and a wrong one would be noticed.
set -euo pipefail

readme=$1
shift
ci/devices.sh "$@" --check "$readme"

# A device without one of its proofs would be noticed, too.
bare=()
for argument in "$@"; do
  if [[ $argument == *devices_devices_virtio_rng ]]; then
    grep -v benchmark "$argument" > "$TEST_TMPDIR/rng"
    argument=$TEST_TMPDIR/rng
  fi
  bare+=("$argument")
done
if ci/devices.sh "${bare[@]}" > "$TEST_TMPDIR/said" 2>&1; then
  echo "an entropy device without a benchmark passed" >&2
  exit 1
fi
grep -q "devices/virtio/rng has no benchmarks" "$TEST_TMPDIR/said"

wrong="$TEST_TMPDIR/README.md"
sed '/^| .*`devices\/virtio\/rng`/d' "$readme" > "$wrong"
if ci/devices.sh "$@" --check "$wrong" 2> /dev/null; then
  echo "a README without the entropy device passed" >&2
  exit 1
fi
ci/devices.sh "$@" --write "$wrong"
cmp "$readme" "$wrong"
