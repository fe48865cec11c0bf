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
        **kwargs):
    """Declares a test; the program is NAME_binary.

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
