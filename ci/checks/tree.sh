# Sourced by the checks: finds the source tree behind a test's runfiles and lists its files.

# The workspace folder: where the WORKSPACE file that is among the runfiles really lies.
tree_root() {
  dirname "$(readlink -f "${TEST_SRCDIR:?run by bazel test}/${TEST_WORKSPACE:?}/WORKSPACE")"
}

# tree_files PATTERN...: the files of the tree (tracked or new, not ignored) that match, one a line.
tree_files() {
  git -c safe.directory='*' ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
    [[ -e $file ]] && printf '%s\n' "$file"
  done
}
