#!/usr/bin/env bash
# conformance_mutants_test.sh MUTANT: the suite for all devices passes a device without mistakes, and fails one with any of the
# mistakes of EchoDefect (echo_device.h).
set -euo pipefail

mutant=$1
last=10
failed=0

# One kind of ring and one host are enough to see each.
run() {
  DEFECT=$1 "$mutant" --gtest_filter='*/DirectSplit' --gtest_fail_fast > "$TEST_TMPDIR/$1" 2>&1
}

if ! run 0; then
  cat "$TEST_TMPDIR/0" >&2
  echo "the suite fails a device without mistakes" >&2
  exit 1
fi
for ((defect = 1; defect <= last; ++defect)); do
  if run "$defect"; then
    echo "the suite passes a device with mistake $defect" >&2
    failed=1
  else
    # The test that failed, or in which it crashed.
    echo "mistake $defect: $(grep -m 1 '^\[  FAILED' "$TEST_TMPDIR/$defect" || grep '^\[ RUN ' "$TEST_TMPDIR/$defect" | tail -n 1)"
  fi
done
exit $failed
