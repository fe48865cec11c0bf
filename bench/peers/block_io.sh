#!/usr/bin/env bash
# See block_io.cc. TOUCHSTONE=FILE measures another binary; LAB_OPTIONS replaces --icount (none: wall-clock time).
touchstone=${TOUCHSTONE:-vmm/touchstone}
kernel=../debian_cloud_kernel/vmlinuz
initramfs=bench/peers/block_io_initramfs.cpio
options=(${LAB_OPTIONS---icount})
if [[ ${options[*]} == *--icount* ]]; then
  for file in bench/peers/block_io_main "$touchstone" $kernel $initramfs "$(type -P qemu-system-x86_64)" /usr/share/qemu \
    /usr/share/seabios; do
    options+=(--copy "$file")
  done
fi
exec ci/lab "${options[@]}" --mem 3072 -- bench/peers/block_io_main "$@" "$touchstone" $kernel $initramfs
