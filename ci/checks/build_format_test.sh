#!/usr/bin/env bash
# BUILD and .bzl files have buildifier's format, as far as ci/checks/build_format.py knows it; and that checker sees mistakes.
set -euo pipefail
source ci/checks/tree.sh
checker=$PWD/ci/checks/build_format.py
scratch=$(mktemp -d "${TEST_TMPDIR:?}/XXXXXX")
printf '# Text.\n\ncc_library(\n    name = "x",\n    deps = [\n        "//b",\n        "//a",\n    ],\n)\n' > "$scratch/unsorted"
printf '# Text.\n\ncc_library(\n    srcs = ["a"],\n    name = "x"\n)\n' > "$scratch/shape"
for bad in unsorted shape; do
  if python3 "$checker" "$scratch/$bad" > /dev/null; then
    echo "the checker accepts the file $bad, which is wrong" >&2
    exit 1
  fi
done
cd "$(tree_root)"
mapfile -t files < <(tree_files '*BUILD.bazel' '*.bzl')
python3 "$checker" "${files[@]}"
