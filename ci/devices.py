"""Prints the table of devices and their proofs.

  ci/bazel run //ci:devices                         the table
  ci/bazel run //ci:devices -- --write README.md    into the README
  ci/bazel run //ci:devices -- --coverage [DEVICE]...
                                                    with a column more: how many lines of the device's folder its fuzzers
                                                    reach from their corpora (builds them; some minutes)

DEVICE is the last part of a folder's name: rng. The build gives the other arguments (devices.bzl).
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

COLUMNS = ("device", "code", "unit tests", "conformance", "fuzzers", "benchmarks", "guest tests")
# What a device's folder is, apart from shared parts: these are in the table when they are in the binary.
DEVICE_FOLDER = re.compile(r"^//(devices/(?:platform|virtio)/[^/:]+)")
# Parts of devices: what has to prove them beyond unit and guest tests is up to their `:checks`.
PARTS = ("devices/bus", "devices/pci", "devices/virtio/core", "devices/virtio/pci", "devices/virtio/vhost",
         "devices/virtio/vhost_user")


def title(build_file):
    """What the first sentence of the BUILD file says of the package, up to its first comma or colon."""
    first = pathlib.Path(build_file).read_text().splitlines()[0]
    text = re.split(r"[,:;.]( |$)", first.lstrip("# "))[0]
    return re.sub(r"^(The|A|An) ", "", text)


def kind(label, folder):
    """The column and the short name of a test."""
    package, name = label[2:].split(":")
    if package.startswith("fuzz/"):
        return "fuzzers", name.removesuffix("_fuzzer")
    if package.startswith("bench/"):
        return "benchmarks", name.removesuffix("_smoke_test").removesuffix("_benchmark")
    if package.startswith("integration/"):
        return "guest tests", name.removesuffix("_test")
    if package == folder and name.endswith("_conformance_test"):
        return "conformance", "yes"
    return "unit tests", name.removesuffix("_test")


def row(folder, build_file, result):
    """One device, by column."""
    cells = {column: [] for column in COLUMNS}
    cells["device"] = [title(build_file)]
    cells["code"] = [f"`{folder}`"]
    for label in sorted(pathlib.Path(result).read_text().split()):
        column, name = kind(label, folder)
        cells[column].append(name)
    return {column: ", ".join(names) for column, names in cells.items()}


def lacking(rows):
    """Which device has no proof of a kind that it needs; the lines."""
    lines = []
    for cells in rows:
        folder = cells["code"].strip("`")
        needed = ["unit tests", "guest tests"]
        if folder not in PARTS:
            needed += ["fuzzers", "benchmarks"]
            if folder.startswith("devices/virtio/"):
                needed.append("conformance")
        lines += [f"{folder} has no {column}" for column in needed if not cells[column]]
    return lines


def table(rows, columns):
    """As Markdown; the lines."""
    line = lambda cells: re.sub("  +", " ", "| " + " | ".join(cells) + " |")
    return [line(columns), "|" + "---|" * len(columns)] + [line([row[c] for c in columns]) for row in rows]


def find_table(lines):
    """Where the table is among the lines of a file: (first, behind the last)."""
    header = table([], COLUMNS)[0]
    if header not in lines:
        sys.exit(f"there is no table that begins with\n{header}")
    first = lines.index(header)
    last = first
    while last < len(lines) and lines[last].startswith("|"):
        last += 1
    return first, last


def check(path, wanted):
    """An error unless the file has this table."""
    lines = pathlib.Path(path).read_text().splitlines()
    first, last = find_table(lines)
    if lines[first:last] == wanted:
        return
    for line in lines[first:last]:
        if line not in wanted:
            print(f"-{line}", file=sys.stderr)
    for line in wanted:
        if line not in lines[first:last]:
            print(f"+{line}", file=sys.stderr)
    sys.exit("README.md is not what the build graph says: ci/bazel run //ci:devices -- --write README.md")


def write(path, wanted):
    """Replaces the table in the file."""
    file = pathlib.Path(path)
    lines = file.read_text().splitlines()
    first, last = find_table(lines)
    file.write_text("\n".join(lines[:first] + wanted + lines[last:]) + "\n")


def run(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def coverage(folder, fuzzers, binaries):
    """Share of the folder's lines that these fuzzers reach from their corpora, in percent."""
    with tempfile.TemporaryDirectory() as work:
        objects = []
        for label in fuzzers:
            package, name = label[2:].split(":")
            corpus = pathlib.Path(package, name.removesuffix("_fuzzer") + "_corpus")
            program = f"{binaries}/{package}/{name}"
            objects += ["-object", program]
            files = sorted(str(file) for file in corpus.rglob("*") if file.is_file())
            run(program, *files, env={**os.environ, "LLVM_PROFILE_FILE": f"{work}/{name}.profraw"}, stderr=subprocess.DEVNULL)
        profile = f"{work}/all.profdata"
        run("llvm-profdata-19", "merge", "-sparse", "-o", profile, *map(str, pathlib.Path(work).glob("*.profraw")))
        report = json.loads(
            run("llvm-cov-19", "export", "-summary-only", f"-instr-profile={profile}", *objects[1:], stderr=subprocess.DEVNULL)
        )
    lines = covered = 0
    for file in report["data"][0]["files"]:
        path = file["filename"]
        if f"/{folder}/" not in f"/{path}" or "_testing." in path or "/fake_" in path or path.endswith((".pb.cc", ".pb.h")):
            continue
        lines += file["summary"]["lines"]["count"]
        covered += file["summary"]["lines"]["covered"]
    return f"{100 * covered / lines:.0f} %" if lines else ""


def add_coverage(devices, rows, wanted):
    """Fills in a column "lines fuzzed" for the wanted devices (all when empty); drops the others."""
    os.chdir(os.environ.get("BUILD_WORKSPACE_DIRECTORY", "."))
    unknown = set(wanted) - {folder.split("/")[-1] for folder, _, _ in devices}
    if unknown:
        sys.exit(f"no device {', '.join(sorted(unknown))}")
    chosen = [
        (folder, cells, [label for label in labels if label.startswith("//fuzz/")])
        for (folder, _, labels), cells in zip(devices, rows)
        if not wanted or folder.split("/")[-1] in wanted
    ]
    build = sorted({label for _, _, fuzzers in chosen for label in fuzzers})
    if build:
        subprocess.run(["ci/bazel", "build", "--config=coverage", *build], check=True)
    binaries = run("ci/bazel", "info", "--config=coverage", "bazel-bin", stderr=subprocess.DEVNULL).strip()
    for folder, cells, fuzzers in chosen:
        cells["lines fuzzed"] = coverage(folder, fuzzers, binaries) if fuzzers else ""
    return [cells for _, cells, _ in chosen]


def main():
    parser = argparse.ArgumentParser(description="The table of devices and their proofs.")
    parser.add_argument("--device", nargs=3, action="append", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--linked", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--check", metavar="FILE", help="fail unless the table in FILE is this one")
    parser.add_argument("--write", metavar="FILE", help="replace the table in FILE")
    parser.add_argument("--coverage", nargs="*", metavar="DEVICE", help="measure the lines that fuzzers reach")
    arguments = parser.parse_args()

    known = {folder for folder, _, _ in arguments.device}
    labels = pathlib.Path(arguments.linked).read_text().split()
    linked = {match.group(1) for match in map(DEVICE_FOLDER.match, labels) if match}
    if linked - known:
        sys.exit(f"ci/BUILD.bazel: the table of devices lacks {', '.join(sorted(linked - known))}")

    rows = [row(*device) for device in arguments.device]
    if lacking(rows):
        sys.exit("\n".join(lacking(rows)))
    if arguments.coverage is not None:
        devices = [(folder, build, pathlib.Path(result).read_text().split()) for folder, build, result in arguments.device]
        rows = add_coverage(devices, rows, arguments.coverage)
        print("\n".join(table(rows, COLUMNS + ("lines fuzzed",))))
        return
    lines = table(rows, COLUMNS)
    if arguments.check:
        check(arguments.check, lines)
    elif arguments.write:
        write(os.path.join(os.environ.get("BUILD_WORKSPACE_DIRECTORY", "."), arguments.write), lines)
    else:
        print("\n".join(lines))


main()
