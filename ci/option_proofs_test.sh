#!/usr/bin/env bash
# option_proofs_test.sh TESTS: every test that docs/options.md names as a proof is in TESTS, which the build has looked up, and no other.
set -euo pipefail

named=$(grep -o 'works: `[^`]*`' docs/options.md | grep -o '//[^`]*' | sort -u)
[[ -n $named ]] || { echo "docs/options.md names no tests" >&2; exit 1; }
diff <(printf '%s\n' "$named") <(sort -u "$1") || {
  echo "left: proofs that options name; right: ci/option_proofs.bzl" >&2
  exit 1
}
