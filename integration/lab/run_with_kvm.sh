#!/usr/bin/env bash
# run_with_kvm.sh [OPTION...] -- COMMAND [ARGUMENT...]: runs a command under this machine's KVM if that has hardware under
# it, else in the KVM lab, and says on one line of standard error which it is.
#
#   --probe PROGRAM   decides: it exits with 0 for hardware, 1 for a KVM that emulates, 2 for none. Without it, the
#                     processor's flags decide
#   --emulating       a KVM that emulates will do
#   --no-lab          fail (with status 125) instead of using the lab
#   --cpus, --mem, --icount, --copy, --timeout, --out, --console   as in ci/lab, for the lab only
#
# Folders in which Bazel wants results are written through from the lab.
set -euo pipefail

# Bazel runs a test's script under the test's name, in the test's folder.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
until [[ -e $root/ci/lab || $root == / ]]; do root=$(dirname "$root"); done
probe=
lab=1
emulating=0
options=()
while [[ ${1-} == --?* ]]; do
  case $1 in
    --probe)
      probe=${2?}
      shift
      ;;
    --no-lab) lab=0 ;;
    --emulating) emulating=1 ;;
    --icount)
      options+=("$1")
      # A folder in which the test may write; there is nothing in it yet.
      if [[ -n ${TEST_TMPDIR-} ]]; then options+=(--copy "$TEST_TMPDIR"); fi
      ;;
    *)
      options+=("$1" "${2?}")
      shift
      ;;
  esac
  shift
done
if [[ ${1-} == -- ]]; then shift; fi

# Returns 0, 1 or 2, as a probe exits.
kvm_kind() {
  if [[ -n $probe ]]; then
    "$probe" > /dev/null 2>&1
  elif [[ ! -r /dev/kvm || ! -w /dev/kvm ]]; then
    return 2
  else
    grep -q -w -E 'vmx|svm' /proc/cpuinfo
  fi
}

kind=0
kvm_kind || kind=$?
if [[ $kind -eq 1 && $emulating -eq 1 ]]; then exec "$@"; fi
if [[ $kind -eq 0 ]]; then
  echo "run_with_kvm: hardware KVM" >&2
  exec "$@"
fi
case $kind in
  1) reason="the KVM here emulates" ;;
  2) reason="no KVM here" ;;
  *) reason="the probe failed with status $kind" ;;
esac
if [[ $lab -eq 0 ]]; then
  echo "run_with_kvm: $reason, and the lab is not wanted" >&2
  exit 125
fi
echo "run_with_kvm: $reason; in the lab" >&2
if [[ -n ${XML_OUTPUT_FILE-} ]]; then options+=(--out "$(dirname "$XML_OUTPUT_FILE")"); fi
for folder in "${TEST_UNDECLARED_OUTPUTS_DIR-}" "${COVERAGE_DIR-}"; do
  if [[ -d $folder ]]; then options+=(--out "$folder"); fi
done
exec "$root/ci/lab" ${options[@]+"${options[@]}"} -- "$@"
