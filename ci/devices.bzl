"""device_table(): the table of devices and their proofs, out of the build graph."""

def device_table(name, devices, binary, readme):
    """Declares NAME, a program that prints the table, and NAME_test, which compares it with the one in `readme`.

    A device's proofs are the tests of its `:checks` and the guest tests given here; what kind of proof a test is, its label
    says. A device in the binary that is not given here fails the test.

    Args:
      name: of the program.
      devices: package -> guest tests.
      binary: what ships the devices.
      readme: label of the file that has the table.
    """
    args = []
    data = ["devices.py"]
    for package, guests in devices.items():
        query = name + package.replace("//", "_").replace("/", "_")
        checks = package + ":checks"
        native.genquery(
            name = query,
            testonly = True,
            expression = "tests({})".format(" + ".join([checks] + guests)),
            scope = [checks] + guests,
        )
        build_file = package + ":BUILD.bazel"
        args += ["--device", package[2:], "$(rootpath %s)" % build_file, "$(rootpath :%s)" % query]
        data += [build_file, ":" + query]
    native.genquery(
        name = name + "_linked",
        testonly = True,
        expression = "filter('^//devices/', deps({}))".format(binary),
        scope = [binary],
    )
    args += ["--linked", "$(rootpath :%s_linked)" % name]
    data += [":%s_linked" % name]
    native.sh_binary(
        name = name,
        testonly = True,
        srcs = ["devices.sh"],
        args = args,
        data = data,
    )
    native.sh_test(
        name = name + "_test",
        size = "small",
        srcs = ["devices_test.sh"],
        args = ["$(rootpath %s)" % readme] + args,
        data = data + [
            "devices.sh",
            readme,
        ],
    )
