"""schema_library(): the schema in a proto_library as constant tables (descriptor.h)."""

def _import_path(file, root):
    for prefix in [root, file.root.path]:
        if prefix and file.path.startswith(prefix + "/"):
            return file.path[len(prefix) + 1:]
    return file.path

def _compile_schema_impl(ctx):
    proto = ctx.attr.proto[ProtoInfo]
    arguments = ctx.actions.args()
    arguments.add_all([ctx.outputs.cc, ctx.outputs.header, ctx.outputs.header.short_path])
    arguments.add_all(proto.transitive_descriptor_sets, before_each = "--set")
    arguments.add_all(ctx.attr.includes, before_each = "--include")
    arguments.add_all([_import_path(file, proto.proto_source_root) for file in proto.direct_sources])
    ctx.actions.run(
        arguments = [arguments],
        executable = ctx.executable._compiler,
        inputs = proto.transitive_descriptor_sets,
        mnemonic = "CompileSchema",
        outputs = [ctx.outputs.cc, ctx.outputs.header],
    )

_compile_schema = rule(
    implementation = _compile_schema_impl,
    attrs = {
        "cc": attr.output(mandatory = True),
        "header": attr.output(mandatory = True),
        "includes": attr.string_list(),
        "proto": attr.label(
            mandatory = True,
            providers = [ProtoInfo],
        ),
        "_compiler": attr.label(
            cfg = "exec",
            default = "//devices/module:compile_schema",
            executable = True,
        ),
    },
)

def schema_library(name, proto, deps = [], **kwargs):
    """The tables of the messages in `proto`, with SchemaOf<> for each of them in the header NAME.h.

    Args:
      name: of the cc_library and of the header.
      proto: a proto_library of this package.
      deps: schema libraries of the files that it imports.
      **kwargs: as a cc_library has them.
    """
    _compile_schema(
        name = name + "_compiled",
        testonly = kwargs.get("testonly", False),
        cc = name + ".cc",
        header = name + ".h",
        includes = [_header_of(dep) for dep in deps],
        proto = proto,
    )
    native.cc_library(
        name = name,
        srcs = [name + ".cc"],
        hdrs = [name + ".h"],
        deps = deps + ["//devices/module:descriptor"],
        **kwargs
    )

def _header_of(label):
    if label.startswith(":"):
        return native.package_name() + "/" + label[1:] + ".h"
    return label[2:].replace(":", "/") + ".h"
