#!/usr/bin/env bash
# What the build makes of the schema: the page about options is the one in docs/, the completions complete, the manual has its parts.
set -euo pipefail
cd vmm/config

diff -u ../../docs/options.md options.md || {
  echo "docs/options.md is stale: ci/bazel run //vmm/config:generate -- page > docs/options.md" >&2
  exit 1
}

source ./touchstone.bash

# completions WORD...: what bash offers for the last word.
completions() {
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  _touchstone
  printf '%s\n' "${COMPREPLY[*]}"
}

# expect WANTED WORD...
expect() {
  local wanted=$1 got
  shift
  got=$(completions "$@")
  [[ $got == "$wanted" ]] || {
    echo "completions of '$*' are '$got', not '$wanted'" >&2
    exit 1
  }
}

expect "run resume" touchstone r
expect "--vsock" touchstone run --vso
expect "--async-executor" touchstone run --asy
expect "epoll uring" touchstone run --async-executor ""
expect "size=" touchstone run --mem ""
expect "path=" touchstone run -b pat
expect "touchstone.bash" touchstone run --initrd touchstone.b
expect "" touchstone run --android

grep -q -- "-n '__fish_seen_subcommand_from run' -l block -s b" touchstone.fish
grep -q "'\*--block\[" _touchstone
[[ $(head -n 1 _touchstone) == "#compdef touchstone" ]]
grep -q '^\.TH TOUCHSTONE 1$' touchstone.1
grep -q '^\.B \\-b, \\-\\-block KEY=VALUE,\.\.\.$' touchstone.1
echo "the generated files are right"
