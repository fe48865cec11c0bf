#!/usr/bin/env python3
"""Builds an initramfs: an init script, busybox, kernel modules in the order they load, and further files.

The archive is a cpio of format newc (Documentation/driver-api/early-userspace/buffer-format.rst), the same bytes
for the same inputs. Inside it:

  /init            the given script or program
  /bin/busybox     with a symbolic link for every applet
  /lib/modules/RELEASE/   the modules asked for and all that they depend on, without folders, with what modprobe reads:
                          modules.dep and modules.alias
  /etc/modules     one line a module to load at boot, in order: its path and its parameters
"""

import argparse
import gzip
import os
import stat
import struct
import subprocess
import tarfile
import tempfile

FOLDERS = ("bin", "dev", "etc", "lib", "mnt", "proc", "root", "run", "sys", "tmp", "var")


class Cpio:
    """Collects the entries of a newc archive."""

    def __init__(self):
        self._parts = []
        self._names = set()

    def add(self, name, mode, data=b"", device=(0, 0)):
        """Adds one entry; a folder that is there already stays as it is."""
        if name in self._names:
            if stat.S_ISDIR(mode):
                return
            raise ValueError(f"{name} is given twice")
        parent = os.path.dirname(name)
        if parent:
            self.add(parent, stat.S_IFDIR | 0o755)
        self._names.add(name)
        self._append(len(self._names), name, mode, data, device)

    def bytes(self):
        """Returns the whole archive."""
        self._append(0, "TRAILER!!!", 0, b"", (0, 0))
        archive = b"".join(self._parts)
        return archive + bytes(-len(archive) % 512)

    def _append(self, inode, name, mode, data, device):
        encoded = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(encoded), 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        self._parts += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]


def module_name(path):
    """Returns the name by which the kernel knows a module file: kvm-amd.ko is kvm_amd."""
    return os.path.basename(path).removesuffix(".ko").replace("-", "_")


def module_info(image):
    """Returns the key=value strings of a module's .modinfo section."""
    section_table = struct.unpack_from("<Q", image, 0x28)[0]
    entry_size, count, names_index = struct.unpack_from("<HHH", image, 0x3A)
    sections = [struct.unpack_from("<IIQQQQ", image, section_table + i * entry_size) for i in range(count)]
    names_offset = sections[names_index][4]
    for name, _, _, _, offset, size in sections:
        start = names_offset + name
        if image[start : image.index(b"\0", start)] == b".modinfo":
            strings = image[offset : offset + size].split(b"\0")
            return [tuple(s.decode().split("=", 1)) for s in strings if b"=" in s]
    raise ValueError("a module without .modinfo")


class Modules:
    """The modules of a linux-image package."""

    def __init__(self, package, folder):
        unpacked = os.path.join(folder, "modules.tar")
        with open(unpacked, "wb") as output:
            subprocess.run(["dpkg-deb", "--fsys-tarfile", package], stdout=output, check=True)
        self._archive = tarfile.open(unpacked, mode="r:")
        self._members = {}
        self._builtin = set()
        self._aliases = None
        self.release = ""
        for member in self._archive:
            if member.name.endswith(".ko"):
                self._members[module_name(member.name)] = member
            elif member.name.endswith("/modules.builtin"):
                self.release = member.name.split("/")[-2]
                listed = self._archive.extractfile(member).read().decode().split()
                self._builtin = {module_name(path) for path in listed}

    def has(self, name):
        """Says whether the kernel has the driver, as a module or built in."""
        return name in self._members or name in self._builtin

    def by_alias(self, alias):
        """Returns the modules that say they are `alias`; reads all of them the first time."""
        if self._aliases is None:
            self._aliases = {}
            for name in sorted(self._members):
                for key, value in module_info(self.read(name)):
                    if key == "alias":
                        self._aliases.setdefault(value, []).append(name)
        return self._aliases.get(alias, [])

    def read(self, name):
        """Returns the bytes of a module, or None if it is built in."""
        if name in self._members:
            return self._archive.extractfile(self._members[name]).read()
        if name in self._builtin:
            return None
        raise ValueError(f"kernel {self.release} has no module {name}")


def needs(modules, image):
    """Returns the names of the modules that have to be loaded before the given one."""
    found = []
    for key, value in module_info(image):
        if key == "depends":
            found += [word.replace("-", "_") for word in value.split(",") if word]
        elif key == "softdep" and value.startswith("pre:"):
            for word in value.removeprefix("pre:").split("post:")[0].split():
                name = word.replace("-", "_")
                found += [name] if modules.has(name) else modules.by_alias(word)
    return found


class LoadOrder:
    """Modules in an order in which each comes after what it needs."""

    def __init__(self, modules):
        self._modules = modules
        self._visited = set()
        self._needs = {}
        self.images = {}

    def add(self, name):
        """Adds a module and what it needs; one that is built in needs nothing."""
        if name in self._visited:
            return
        self._visited.add(name)
        image = self._modules.read(name)
        if image is None:
            return
        self._needs[name] = needs(self._modules, image)
        for needed in self._needs[name]:
            self.add(needed)
        self.images[name] = image

    def closure(self, name):
        """Returns all that a module needs, the last to load first, as modules.dep wants it."""
        found = set()
        pending = list(self._needs[name])
        while pending:
            needed = pending.pop()
            if needed in self.images and needed not in found:
                found.add(needed)
                pending += self._needs[needed]
        return [other for other in reversed(list(self.images)) if other in found]


def add_modules(archive, options, folder):
    """Adds the modules and the lists that say how to load them."""
    modules = Modules(options.package, folder)
    boot = [line.split(" ", 1) for line in options.module]
    boot += [line for line in (l.split(" ", 1) for l in options.optional_module) if modules.has(module_name(line[0]))]
    parameters = {module_name(line[0]): line[1] for line in boot if len(line) > 1}

    order = LoadOrder(modules)
    for line in boot:
        order.add(module_name(line[0]))
    lines = [f"/lib/modules/{modules.release}/{name}.ko {parameters.get(name, '')}".rstrip() for name in order.images]
    for name in map(module_name, options.extra_module):
        if modules.has(name):
            order.add(name)

    for name, image in order.images.items():
        archive.add(f"lib/modules/{modules.release}/{name}.ko", stat.S_IFREG | 0o644, image)
    dependencies = [" ".join([f"{name}.ko:"] + [f"{n}.ko" for n in order.closure(name)]) for name in order.images]
    aliases = [
        f"alias {value} {name}"
        for name, image in order.images.items()
        for key, value in module_info(image)
        if key == "alias"
    ]
    base = f"lib/modules/{modules.release}"
    for path, text in (
        ("etc/modules", lines),
        (f"{base}/modules.dep", dependencies),
        (f"{base}/modules.alias", aliases),
        (f"{base}/modules.symbols", []),
    ):
        archive.add(path, stat.S_IFREG | 0o644, "".join(line + "\n" for line in text).encode())


def add_busybox(archive, busybox):
    """Adds busybox and a link for each of its applets."""
    with open(busybox, "rb") as source:
        archive.add("bin/busybox", stat.S_IFREG | 0o755, source.read())
    applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for applet in sorted(set(applets) - {"busybox"}):
        archive.add(f"bin/{applet}", stat.S_IFLNK | 0o777, b"/bin/busybox")


def add_files(archive, files):
    """Adds DESTINATION=SOURCE pairs; what may be executed here may be executed there."""
    for pair in files:
        destination, source = pair.split("=", 1)
        with open(source, "rb") as content:
            mode = 0o755 if os.access(source, os.X_OK) else 0o644
            archive.add(destination.lstrip("/"), stat.S_IFREG | mode, content.read())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True)
    parser.add_argument("--package", help="the linux-image .deb to take modules from")
    parser.add_argument("--module", action="append", default=[], help="NAME [PARAMETER...]; it must exist")
    parser.add_argument("--optional_module", action="append", default=[], help="left out where it does not exist")
    parser.add_argument("--extra_module", action="append", default=[], help="there for modprobe, not loaded at boot")
    parser.add_argument("--file", action="append", default=[], help="DESTINATION=SOURCE")
    parser.add_argument("--busybox", default="/bin/busybox")
    parser.add_argument("--init", required=True)
    parser.add_argument("--gzip", action="store_true")
    options = parser.parse_args()

    archive = Cpio()
    for folder in FOLDERS:
        archive.add(folder, stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    with open(options.init, "rb") as source:
        archive.add("init", stat.S_IFREG | 0o755, source.read())
    add_busybox(archive, options.busybox)
    add_files(archive, options.file)
    if options.package:
        with tempfile.TemporaryDirectory() as folder:
            add_modules(archive, options, folder)

    content = archive.bytes()
    with open(options.output, "wb") as output:
        output.write(gzip.compress(content, 6, mtime=0) if options.gzip else content)


if __name__ == "__main__":
    main()
