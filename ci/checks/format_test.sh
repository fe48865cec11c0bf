#!/usr/bin/env bash
# Every C++ and proto file is as clang-format leaves it. To mend: ci/presubmit --fix format
set -euo pipefail
source ci/checks/tree.sh
cd "$(tree_root)"
mapfile -t files < <(tree_files '*.h' '*.cc' '*.proto')
[[ ${#files[@]} -gt 0 ]] || { echo "no files found" >&2; exit 1; }
clang-format-19 --dry-run --Werror "${files[@]}"
echo "${#files[@]} files are formatted"
