#!/usr/bin/env bash
# Runs the comparison that it is called as (block_io, net_io, linux_boot: see the source of that name) in the KVM lab.
# TOUCHSTONE=FILE measures another binary; LAB_OPTIONS replaces --icount (none: wall-clock time).
name=$(basename "$0")
main=bench/peers/${name}_main
touchstone=${TOUCHSTONE:-vmm/touchstone}
kernel=../debian_cloud_kernel/vmlinuz
initramfs=bench/peers/${name}_initramfs.cpio
options=(${LAB_OPTIONS---icount})
if [[ ${options[*]} == *--icount* ]]; then
  for file in "$main" "$touchstone" $kernel "$initramfs" "$(type -P qemu-system-x86_64)" /usr/share/qemu /usr/share/seabios; do
    options+=(--copy "$file")
  done
fi
exec ci/lab "${options[@]}" --mem 3072 -- "$main" "$@" "$touchstone" $kernel "$initramfs"
