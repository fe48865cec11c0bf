#!/usr/bin/env python3
"""Takes the files of a guest kernel out of a Debian linux-image package.

The package holds one bzImage, whose payload is the compressed ELF image (vmlinux). The Linux/x86 boot protocol
(Documentation/arch/x86/boot.rst, fields setup_sects, payload_offset, payload_length) says where the payload lies; its
first bytes say how it is compressed; its last four bytes are the size of the result.
"""

import argparse
import lzma
import struct
import subprocess
import tarfile
import zlib


def decompress(payload):
    """Returns the ELF image that a bzImage payload holds."""
    size = struct.unpack("<I", payload[-4:])[0]
    body = payload[:-4]
    if body.startswith(b"\xfd7zXZ\x00"):
        image = lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(body)
    elif body.startswith(b"\x02\x21\x4c\x18"):
        image = subprocess.run(["lz4", "-d", "-c", "-"], input=body, check=True, capture_output=True).stdout
    elif body.startswith(b"\x28\xb5\x2f\xfd"):
        image = subprocess.run(["zstd", "-d", "-c", "-"], input=body, check=True, capture_output=True).stdout
    elif body.startswith(b"\x1f\x8b"):
        image = zlib.decompressobj(wbits=31).decompress(body)
    else:
        raise ValueError(f"unknown kernel compression, first bytes {body[:6].hex()}")
    if len(image) != size or not image.startswith(b"\x7fELF"):
        raise ValueError(f"the payload unpacked to {len(image)} bytes, not to an ELF image of {size}")
    return image


def vmlinux_of(bzimage):
    """Returns the ELF image inside a bzImage."""
    if bzimage[0x202:0x206] != b"HdrS":
        raise ValueError("not a bzImage: no HdrS at 0x202")
    setup_sectors = bzimage[0x1F1] or 4
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    return decompress(bzimage[start : start + length])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--package", required=True, help="the .deb")
    for name in ("vmlinuz", "vmlinux", "config", "release"):
        parser.add_argument(f"--{name}", required=True, help=f"output: {name}")
    options = parser.parse_args()

    found = {}
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", options.package], stdout=subprocess.PIPE) as source:
        with tarfile.open(fileobj=source.stdout, mode="r|") as archive:
            for member in archive:
                folder, _, name = member.name.rpartition("/")
                kind, dash, release = name.partition("-")
                if folder == "./boot" and dash and member.isfile():
                    found[kind] = archive.extractfile(member).read()
                    found["release"] = release.encode() + b"\n"
                if "vmlinuz" in found and "config" in found:
                    break
        source.stdout.close()
        source.kill()
    found["vmlinux"] = vmlinux_of(found["vmlinuz"])
    for name in ("vmlinuz", "vmlinux", "config", "release"):
        with open(getattr(options, name), "wb") as output:
            output.write(found[name])


if __name__ == "__main__":
    main()
