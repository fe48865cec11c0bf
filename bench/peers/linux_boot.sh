#!/usr/bin/env bash
# See linux_boot.cc. TOUCHSTONE=FILE measures another binary; LAB_OPTIONS replaces --icount (none: wall-clock time).
exec ci/lab ${LAB_OPTIONS---icount} --mem 3072 --copy bench/peers/linux_boot_main --copy "${TOUCHSTONE:-vmm/touchstone}" \
  --copy ../debian_cloud_kernel/vmlinuz --copy bench/peers/linux_boot_initramfs.cpio \
  --copy "$(type -P qemu-system-x86_64)" --copy /usr/share/qemu --copy /usr/share/seabios -- \
  bench/peers/linux_boot_main "$@" "${TOUCHSTONE:-vmm/touchstone}" ../debian_cloud_kernel/vmlinuz bench/peers/linux_boot_initramfs.cpio
