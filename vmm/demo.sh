#!/usr/bin/env bash
# ci/bazel run //vmm:demo: Debian's cloud kernel to a shell on the serial console. Commands come from standard input when that is no terminal:
#
#   echo 'uname -r; nproc; poweroff -f' | ci/bazel run //vmm:demo
#
# Options of `touchstone run` may follow (ci/bazel run //vmm:demo -- --cpus 4 --mem 1024).
set -euo pipefail

if [[ -t 0 ]]; then
  echo "Booting Debian's cloud kernel. To leave, type: poweroff -f" >&2
fi
root=$PWD
launcher=("$root/integration/lab/run_with_kvm.sh" --probe "$root/hypervisor/kvm/kvm_probe")
if [[ ${1-} == --no-lab ]]; then
  launcher+=(--no-lab)
  shift
fi
exec "${launcher[@]}" -- "$root/vmm/touchstone" run --params quiet --initrd "$root/integration/images/demo_initramfs.cpio" \
  "$@" "$root/../debian_cloud_kernel/vmlinuz"
