#!/usr/bin/env bash
# ci/bazel run //vmm:run -- [--no-lab] [--lab-cpus N] [--lab-mem MIB] OPTIONS...: `touchstone run OPTIONS...` under this machine's KVM,
# or in the KVM lab where that is absent or emulating. --no-lab makes the latter an error.
set -euo pipefail

root=$PWD
launcher=("$root/integration/lab/run_with_kvm.sh" --probe "$root/hypervisor/kvm/kvm_probe")
while [[ $# -gt 0 ]]; do
  case $1 in
    --no-lab) launcher+=(--no-lab) ;;
    --lab-cpus | --lab-mem)
      launcher+=("--${1#--lab-}" "${2?}")
      shift
      ;;
    *) break ;;
  esac
  shift
done
cd "${BUILD_WORKING_DIRECTORY:-$PWD}"
exec "${launcher[@]}" -- "$root/vmm/touchstone" run "$@"
