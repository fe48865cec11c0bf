#!/usr/bin/env bash
# Each file named on the command line is the result of a genquery for dependencies that the layer chart forbids: it must be empty.
set -euo pipefail
status=0
for result in "$@"; do
  if [[ -s $result ]]; then
    echo "forbidden dependencies ($(basename "$result")):" >&2
    sed 's/^/  /' "$result" >&2
    status=1
  fi
done
[[ $# -gt 0 ]] || { echo "no query was run" >&2; exit 1; }
exit $status
