#!/usr/bin/env bash
# No production file passes 800 lines, and tests are 0.6 or more of production by lines.
set -euo pipefail
source ci/checks/tree.sh
cd "$(tree_root)"
is_test='(_test|_testing|_fuzzer|_benchmark)\.(cc|h)$|^(fuzz|bench|integration)/|/(testing|fake|mock)/'
mapfile -t all < <(tree_files '*.h' '*.cc')
production=0 tests=0 status=0
for file in "${all[@]}"; do
  lines=$(wc -l < "$file")
  if [[ $file =~ $is_test ]]; then
    tests=$((tests + lines))
    continue
  fi
  production=$((production + lines))
  if [[ $lines -gt 800 ]]; then
    echo "$file has $lines lines; 800 is the ceiling" >&2
    status=1
  fi
done
echo "production $production lines, tests $tests lines"
if [[ $((tests * 10)) -lt $((production * 6)) ]]; then
  echo "tests are less than 0.6 of production by lines" >&2
  status=1
fi
exit $status
