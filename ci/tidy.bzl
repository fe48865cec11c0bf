"""The clang-tidy aspect: `ci/bazel build --config=tidy TARGETS` checks each C++ source with the flags it is built with.

One action a source file, so results are cached and only what changed (or whose headers changed) is looked at again.
"""

def _flags(ctx, target):
    compilation = target[CcInfo].compilation_context
    flags = ["-std=c++20", "-fno-exceptions", "-xc++", "-Wno-everything"]
    flags += ["-D" + define for define in compilation.defines.to_list()]
    for include in compilation.includes.to_list() + compilation.quote_includes.to_list():
        flags += ["-iquote", include]
    for include in compilation.system_includes.to_list():
        flags += ["-isystem", include]
    return flags

def _tidy_impl(target, ctx):
    if not CcInfo in target or not hasattr(ctx.rule.attr, "srcs") or ctx.label.workspace_name:
        return []
    stamps = []
    for source in ctx.rule.files.srcs:
        if source.extension != "cc" or not source.is_source:
            continue
        stamp = ctx.actions.declare_file(ctx.label.name + "." + source.basename + ".tidy")
        ctx.actions.run_shell(
            command = 'clang-tidy-19 --quiet --config-file="$1" "$2" -- "${@:4}" 2>"$3.log" >"$3" || ' +
                      '{ cat "$3" "$3.log" >&2; exit 1; }; rm -f "$3.log"; : >"$3"',
            arguments = [ctx.file._config.path, source.path, stamp.path] + _flags(ctx, target),
            inputs = depset(
                [source, ctx.file._config],
                transitive = [target[CcInfo].compilation_context.headers],
            ),
            mnemonic = "ClangTidy",
            outputs = [stamp],
            progress_message = "Running clang-tidy on " + source.short_path,
            use_default_shell_env = True,
        )
        stamps.append(stamp)
    return [OutputGroupInfo(tidy = depset(stamps))]

tidy = aspect(
    implementation = _tidy_impl,
    attrs = {
        "_config": attr.label(
            allow_single_file = True,
            default = "//:.clang-tidy",
        ),
    },
)
