"""disk_image(): an ext4 disk image with given files."""

def _disk_image_impl(context):
    output = context.actions.declare_file(context.label.name + ".img")
    arguments = context.actions.args()
    arguments.add(context.file._make)
    arguments.add("--output", output)
    arguments.add("--size_mib", context.attr.size_mib)
    arguments.add("--label", context.label.name[:16])
    inputs = [context.file._make]
    for target, destination in context.attr.files.items():
        source = target.files.to_list()[0]
        arguments.add("--file", "{}={}".format(destination, source.path))
        inputs.append(source)
    context.actions.run(
        executable = "/usr/bin/python3",
        arguments = [arguments],
        inputs = inputs,
        outputs = [output],
        mnemonic = "DiskImage",
        progress_message = "Building disk image {}".format(context.label),
        use_default_shell_env = True,
    )
    return [DefaultInfo(files = depset([output]), runfiles = context.runfiles(files = [output]))]

_disk_image = rule(
    implementation = _disk_image_impl,
    attrs = {
        "files": attr.label_keyed_string_dict(
            allow_files = True,
            cfg = "exec",
        ),
        "size_mib": attr.int(mandatory = True),
        "_make": attr.label(
            default = "//integration/images:make_disk.py",
            allow_single_file = True,
        ),
    },
)

def disk_image(name, size_mib, files = {}, **kwargs):
    """Builds NAME.img, an ext4 file system without partitions, labelled NAME; the same bytes for the same inputs.

    Args:
      name: the target's name.
      size_mib: size in MiB; 16 is room enough for a few files.
      files: what is on it, {"/path/inside": "label"}; executables stay executable.
      **kwargs: common attributes, such as visibility.
    """
    _disk_image(
        name = name,
        files = {label: path for path, label in files.items()},
        size_mib = size_mib,
        **kwargs
    )
