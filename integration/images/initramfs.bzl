"""initramfs(): an initial RAM disk of busybox, kernel modules, an init script and further files."""

def _initramfs_impl(context):
    output = context.actions.declare_file(context.label.name + (".cpio.gz" if context.attr.gzip else ".cpio"))
    arguments = context.actions.args()
    arguments.add(context.file._make)
    arguments.add("--output", output)
    arguments.add("--init", context.file.init)
    arguments.add("--busybox", context.file._busybox)
    inputs = [context.file._make, context.file._busybox, context.file.init]
    if context.file.kernel:
        arguments.add("--package", context.file.kernel)
        inputs.append(context.file.kernel)
    arguments.add_all(context.attr.modules, before_each = "--module")
    arguments.add_all(context.attr.optional_modules, before_each = "--optional_module")
    arguments.add_all(context.attr.extra_modules, before_each = "--extra_module")
    for target, destination in context.attr.files.items():
        source = target.files.to_list()[0]
        arguments.add("--file", "{}={}".format(destination, source.path))
        inputs.append(source)
    if context.attr.gzip:
        arguments.add("--gzip")
    context.actions.run(
        executable = "/usr/bin/python3",
        arguments = [arguments],
        inputs = inputs,
        outputs = [output],
        mnemonic = "Initramfs",
        progress_message = "Building initramfs {}".format(context.label),
        use_default_shell_env = True,
    )
    return [DefaultInfo(files = depset([output]), runfiles = context.runfiles(files = [output]))]

_initramfs = rule(
    implementation = _initramfs_impl,
    attrs = {
        "extra_modules": attr.string_list(),
        # Programs for a guest are built plainly, whatever the build is for: no sanitizer fits a static one.
        "files": attr.label_keyed_string_dict(
            allow_files = True,
            cfg = "exec",
        ),
        "gzip": attr.bool(),
        "init": attr.label(
            mandatory = True,
            allow_single_file = True,
        ),
        "kernel": attr.label(allow_single_file = [".deb"]),
        "modules": attr.string_list(),
        "optional_modules": attr.string_list(),
        "_busybox": attr.label(
            default = "@busybox",
            allow_single_file = True,
        ),
        "_make": attr.label(
            default = "//integration/images:make_initramfs.py",
            allow_single_file = True,
        ),
    },
)

def initramfs(
        name,
        init,
        kernel = None,
        modules = [],
        optional_modules = [],
        extra_modules = [],
        files = {},
        gzip = False,
        **kwargs):
    """Builds NAME.cpio (NAME.cpio.gz with gzip), the same bytes for the same inputs.

    The init finds in /etc/modules the modules to load, in order, each line a path and parameters for insmod.

    Args:
      name: the target's name.
      init: a script for busybox's sh, or a static program; becomes /init.
      kernel: the repository of a kernel (debian_kernel.bzl), such as "@debian_cloud_kernel"; needed for modules.
      modules: names, each with module parameters after a space ("kvm halt_poll_ns=0"); what they depend on comes along.
        Those built into the kernel are passed over; those it lacks are an error.
      optional_modules: the same, but those that the kernel lacks are passed over too.
      extra_modules: names of modules that are not loaded at boot but are there for modprobe, if the kernel has them.
      files: further files, {"/path/inside": "label"}; executables stay executable.
      gzip: compress the archive. Unpacking takes time in the guest, so small images are better off without.
      **kwargs: common attributes, such as visibility.
    """
    _initramfs(
        name = name,
        extra_modules = extra_modules,
        files = {label: path for path, label in files.items()},
        gzip = gzip,
        init = init,
        kernel = kernel + "//:modules" if kernel else None,
        modules = modules,
        optional_modules = optional_modules,
        **kwargs
    )
