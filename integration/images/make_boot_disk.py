#!/usr/bin/env python3
"""Builds a disk that BIOS and UEFI firmware boot: GRUB for both, a kernel and an initial RAM disk; the same bytes for the same inputs.

  sector 0        GRUB's boot.img, and the partition table
  sector 1 ...    GRUB's core.img for BIOS
  sector 2048 ... the one partition, an EFI system partition (FAT): EFI/BOOT/BOOTX64.EFI is GRUB again;
                  grub/grub.cfg, vmlinuz, initrd

GRUB is Debian's (grub-pc-bin, grub-efi-amd64-bin), the file system mtools' work. No privilege is needed.
"""

import argparse
import os
import pathlib
import struct
import subprocess
import tempfile

SECTOR = 512
PARTITION = 2048  # First sector.
PREFIX = "(,msdos1)/grub"  # On the disk that GRUB was started from.
MODULES = ["configfile", "echo", "fat", "linux", "normal", "part_msdos", "reboot", "serial", "terminal", "test"]
TABLE = 446
EFI_SYSTEM = 0xEF
NO_GEOMETRY = b"\xfe\xff\xff"  # Beyond cylinders, heads and sectors.
TIME = "315532800"  # The first that FAT has.


def grub(target, modules, output):
    """Builds GRUB's own image."""
    subprocess.run(
        ["grub-mkimage", "-O", target, "-d", f"/usr/lib/grub/{target}", "-p", PREFIX, "-o", output, *modules],
        check=True,
    )
    return pathlib.Path(output).read_bytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", required=True)
    parser.add_argument("--size_mib", type=int, required=True)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True)
    parser.add_argument("--grub_cfg", required=True)
    options = parser.parse_args()

    sectors = (options.size_mib << 20) // SECTOR - PARTITION
    with tempfile.TemporaryDirectory() as temporary:
        core = grub("i386-pc", MODULES + ["biosdisk"], f"{temporary}/core.img")
        if len(core) > (PARTITION - 1) * SECTOR:
            raise SystemExit("GRUB's core.img does not fit in front of the partition")
        efi = f"{temporary}/bootx64.efi"
        grub("x86_64-efi", MODULES, efi)

        boot = bytearray(pathlib.Path("/usr/lib/grub/i386-pc/boot.img").read_bytes())
        entry = struct.pack("<B3sB3sII", 0x80, NO_GEOMETRY, EFI_SYSTEM, NO_GEOMETRY, PARTITION, sectors)
        boot[TABLE : TABLE + 64] = entry.ljust(64, b"\0")  # What was there is for floppies.
        with open(options.output, "wb") as output:
            output.write(boot + core)
            output.truncate(options.size_mib << 20)

        partition = ["-i", f"{options.output}@@{PARTITION * SECTOR}"]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": TIME, "TZ": "UTC", "MTOOLS_SKIP_CHECK": "1"}

        def mtools(tool, *arguments):
            subprocess.run([tool, *partition, *arguments], check=True, env=environment)

        mtools("mformat", "-T", str(sectors), "-h", "255", "-s", "63", "-H", str(PARTITION), "-N", "1", "-v", "BOOT", "::")
        mtools("mmd", "::EFI", "::EFI/BOOT", "::grub")
        mtools("mcopy", efi, "::EFI/BOOT/BOOTX64.EFI")
        mtools("mcopy", options.grub_cfg, "::grub/grub.cfg")
        mtools("mcopy", options.kernel, "::vmlinuz")
        mtools("mcopy", options.initrd, "::initrd")


if __name__ == "__main__":
    main()
