"""Debian's kernels as Bazel repositories.

    debian_kernel(name = "debian_cloud_kernel", package = "linux-image-cloud-amd64")

fetches, through the machine's own apt and as whoever runs Bazel, the linux-image package that the given one depends on.
The repository then has, in its root package:

    :vmlinuz      the bzImage
    :vmlinux      the ELF image that is inside it, stripped; has a PVH entry, so it boots without a decompressor
    :config       the kernel's configuration
    :release      a file with the release, such as 6.1.0-9-cloud-amd64
    :modules      the package itself: initramfs() (initramfs.bzl) takes the modules out of it
    version.bzl   KERNEL_RELEASE, the release as a string
"""

_BUILD_FILE = """# The files of Debian's kernel {release}.

load("@touchstone//integration/images:debian_kernel.bzl", "kernel_files")

kernel_files(package = "linux-image.deb")
"""

def _debian_kernel_impl(repository):
    repository.report_progress("fetching what {} depends on".format(repository.attr.package))
    result = repository.execute(
        ["bash", repository.path(repository.attr._fetch), repository.attr.package, "linux-image.deb"],
        timeout = 1200,
    )
    if result.return_code != 0:
        fail("fetching {}: {}".format(repository.attr.package, result.stderr))
    release = result.stdout.strip()
    repository.file("version.bzl", "KERNEL_RELEASE = \"{}\"\n".format(release))
    repository.file("BUILD.bazel", _BUILD_FILE.format(release = release))

debian_kernel = repository_rule(
    implementation = _debian_kernel_impl,
    attrs = {
        "package": attr.string(
            mandatory = True,
            doc = "A Debian package that depends on the newest linux-image-RELEASE of its kind.",
        ),
        "_fetch": attr.label(
            default = "//integration/images:fetch_kernel.sh",
            allow_single_file = True,
        ),
    },
)

def kernel_files(package):
    """Declares the targets of a kernel repository.

    Args:
      package: the linux-image .deb.
    """
    unpack = "@touchstone//integration/images:unpack_kernel.py"
    native.genrule(
        name = "unpack",
        srcs = [package],
        outs = [
            "config",
            "release",
            "vmlinux",
            "vmlinuz",
        ],
        cmd = "python3 $(location {}) --package $< --config $(location config)".format(unpack) +
              " --release $(location release) --vmlinux $(location vmlinux) --vmlinuz $(location vmlinuz)",
        message = "Unpacking the kernel",
        tools = [unpack],
        visibility = ["//visibility:public"],
    )
    native.filegroup(
        name = "modules",
        srcs = [package],
        visibility = ["//visibility:public"],
    )
