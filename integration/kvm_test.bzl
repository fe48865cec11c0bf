"""kvm_test(): a C++ test that needs a KVM with hardware under it.

Where this machine has none, the test runs in the KVM lab, one lab for the whole target. The lab takes some three seconds
to start and then runs code about fifteen times as slowly as the machine does: put many checks into one target.
"""

load("@rules_cc//cc:defs.bzl", "cc_binary")

def kvm_test(
        name,
        srcs,
        deps = [],
        data = [],
        args = [],
        size = "medium",
        lab_cpus = 1,
        lab_mem = 2048,
        icount = False,
        copies = [],
        emulating = False,
        tags = [],
        ways = {},
        **kwargs):
    """Declares a test; the program is NAME_binary.

    A guest test of jailed devices has other ways, targets of the same program that are "manual" unless they say otherwise:

      NAME_unsandboxed  every machine has --disable-sandbox
      NAME_user         an ordinary user runs the test (integration/testing/as_user.sh)

    Args:
      name: the test's name.
      srcs: as in cc_test.
      deps: as in cc_test.
      data: as in cc_test.
      args: as in cc_test.
      size: as in cc_test.
      lab_cpus: processors of the lab.
      lab_mem: memory of the lab in MiB.
      icount: whether the lab's time counts instructions, for guests that bear no interrupt at any other moment. Data must
        then be files, not folders.
      copies: with icount, what the program needs besides its data: paths on this machine, of files or folders.
      emulating: a KVM that emulates will do, as it does for bare-metal guests. Such a test needs the lab only where
        there is no KVM at all, and so has no tag "lab": sanitizer builds run it too.
      tags: besides "cpu:N" and, unless emulating, "lab".
      ways: by "unsandboxed" and "user", how those differ: a dict that may have "args", instead of these, "taps", options
        of as_user.sh, and "tags".
      **kwargs: further attributes of the test, such as timeout or visibility.
    """
    cc_binary(
        name = name + "_binary",
        testonly = True,
        srcs = srcs,
        data = data,
        tags = ["manual"],
        deps = deps,
    )
    kvm_program_test(
        name = name,
        args = args,
        data = data,
        lab_cpus = lab_cpus,
        lab_mem = lab_mem,
        icount = icount,
        copies = copies,
        emulating = emulating,
        program = name + "_binary",
        size = size,
        tags = tags,
        **kwargs
    )
    for way, changes in ways.items():
        way_args = changes.get("args", args)
        if way == "user":
            way_args = changes.get("taps", []) + ["$(rootpath {}_binary)".format(name)] + way_args
        elif way == "unsandboxed":
            way_args = way_args + ["--machine-option=--disable-sandbox"]
        else:
            fail("there is no way " + way)
        kvm_program_test(
            name = "{}_{}".format(name, way),
            args = way_args,
            data = data + ([name + "_binary"] if way == "user" else []),
            lab_cpus = lab_cpus,
            lab_mem = lab_mem,
            program = "//integration/testing:as_user" if way == "user" else name + "_binary",
            size = size,
            tags = tags + changes.get("tags", ["manual"]),
            **kwargs
        )

def kvm_program_test(
        name,
        program,
        data = [],
        args = [],
        size = "medium",
        lab_cpus = 1,
        lab_mem = 2048,
        icount = False,
        copies = [],
        emulating = False,
        tags = [],
        **kwargs):
    """Declares a test that is a program of any language: it passes when the program exits with 0.

    Args:
      name: the test's name.
      program: label of a script or a binary.
      data: runfiles of the program.
      args: its arguments.
      size: as in cc_test.
      lab_cpus: processors of the lab.
      lab_mem: memory of the lab in MiB.
      icount: whether the lab's time counts instructions, for guests that bear no interrupt at any other moment. Data must
        then be files, not folders.
      copies: with icount, what the program needs besides its data: paths on this machine, of files or folders.
      emulating: a KVM that emulates will do, as it does for bare-metal guests. Such a test needs the lab only where
        there is no KVM at all, and so has no tag "lab": sanitizer builds run it too.
      tags: besides "cpu:N" and, unless emulating, "lab".
      **kwargs: further attributes of the test, such as timeout or visibility.
    """
    kwargs.setdefault("visibility", ["//:harness"])
    counting = []
    if icount:
        paths = ["$(rootpath {})".format(label) for label in data] + copies
        counting = ["--icount"] + ["--copy " + path for path in paths]
    native.sh_test(
        name = name,
        size = size,
        srcs = ["//integration/lab:run_with_kvm.sh"],
        args = [
            "--probe $(rootpath //hypervisor/kvm:kvm_probe)",
            "--emulating" if emulating else "",
        ] + counting + [
            "--cpus {} --mem {} -- $(rootpath {})".format(lab_cpus, lab_mem, program),
        ] + args,
        data = data + [
            program,
            "//ci:lab",
            "//hypervisor/kvm:kvm_probe",
            "//integration/lab:lab_files",
        ],
        tags = tags + ["cpu:{}".format(lab_cpus)] + ([] if emulating else ["lab"]),
        **kwargs
    )
