#!/usr/bin/env python3
"""Builds an ext4 disk image with given files, the same bytes for the same inputs (mke2fs -d of e2fsprogs)."""

import argparse
import os
import shutil
import subprocess
import tempfile

TIME = 1  # Of all inodes; 0 is not set.
UUID = "746f7563-6873-746f-6e65-000000000001"


def normalized(paths):
    """Returns debugfs commands that set what mke2fs takes from the machine: owners, times, generations."""
    fields = [("uid", "0"), ("gid", "0"), ("generation", "0")]
    fields += [(time, f"@{TIME}") for time in ("atime", "ctime", "mtime", "crtime")]
    return "".join(f'sif "{path}" {field} {value}\n' for path in paths for field, value in fields)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", required=True)
    parser.add_argument("--size_mib", type=int, required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("--file", action="append", default=[], help="DESTINATION=SOURCE")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        tree = os.path.join(temporary, "tree")
        os.makedirs(tree, mode=0o755)
        for pair in options.file:
            destination, source = pair.split("=", 1)
            path = os.path.join(tree, destination.lstrip("/"))
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            shutil.copyfile(source, path)
            os.chmod(path, 0o755 if os.access(source, os.X_OK) else 0o644)
        with open(options.output, "wb") as output:
            output.truncate(options.size_mib << 20)
        environment = {**os.environ, "E2FSPROGS_FAKE_TIME": str(TIME), "DEBUGFS_PAGER": "__none__"}
        subprocess.run(
            ["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-d", tree, "-L", options.label, "-U", UUID]
            + ["-E", f"root_owner=0:0,hash_seed={UUID},lazy_itable_init=0,lazy_journal_init=0", options.output],
            check=True,
            env=environment,
        )
        inside = sorted(
            os.path.join(root, name)[len(tree) :]
            for root, folders, files in os.walk(tree)
            for name in folders + files
        )
        commands = os.path.join(temporary, "commands")
        with open(commands, "w", encoding="utf-8") as output:
            output.write(normalized(["/", "/lost+found"] + inside))
        subprocess.run(
            ["/sbin/debugfs", "-w", "-f", commands, options.output],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


if __name__ == "__main__":
    main()
