"""run_tool(): a file made by a program that is built like the rest, not a second time for the build machine as genrule does."""

def _run_tool_impl(ctx):
    ctx.actions.run_shell(
        outputs = [ctx.outputs.out],
        tools = [ctx.executable.tool],
        command = '"$@" > ' + ctx.outputs.out.path,
        arguments = [ctx.executable.tool.path] + ctx.attr.args,
        mnemonic = "RunTool",
    )
    return [DefaultInfo(
        files = depset([ctx.outputs.out]),
        runfiles = ctx.runfiles(files = [ctx.outputs.out]),
    )]

run_tool = rule(
    implementation = _run_tool_impl,
    attrs = {
        "args": attr.string_list(),
        "out": attr.output(mandatory = True),
        "tool": attr.label(
            cfg = "target",
            executable = True,
            mandatory = True,
        ),
    },
)
