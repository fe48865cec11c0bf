"""bare_metal_guest(): a freestanding x86-64 image of a few KiB that needs no operating system."""

_FLAGS = " ".join([
    "-std=c++20",
    "-Os",
    "-ffreestanding",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-threadsafe-statics",
    "-fno-pic",
    "-mno-red-zone",
    "-mgeneral-regs-only",
    "-mcmodel=small",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-nostdlib",
    "-static",
    "-fuse-ld=lld",
    "-Wl,--build-id=none",
    "-Wl,-z,noexecstack",
    "-Wl,-z,max-page-size=4096",
    "-Wl,--gc-sections",
    "-ffunction-sections",
    "-I.",
])

_RELEASE_FLAGS = " -s"
_DEBUG_FLAGS = " -g -fno-omit-frame-pointer -fno-optimize-sibling-calls"

def bare_metal_guest(name, srcs, with_lib = True, debug = False, **kwargs):
    """Builds an ELF64 image that Touchstone enters in long mode and QEMU by its PVH note.

    It is compiled by itself, with none of the build's flags: sanitizers and coverage stay out of it.

    Args:
      name: the image.
      srcs: C++ with `void GuestMain()` (integration/guests/lib/guest.h), or assembly that has its own entry points when with_lib is
        false.
      with_lib: links the start-up code and library.
      debug: keeps symbols, and adds what a debugger wants to know.
      **kwargs: passed to genrule.
    """
    lib = ["//integration/guests/lib:sources"] if with_lib else []
    headers = ["//integration/guests/lib:headers"]
    script = "//integration/guests/lib:guest.ld"
    native.genrule(
        name = name + "_image",
        srcs = srcs + lib + headers + [script],
        outs = [name],
        cmd = "clang-19 %s -Wl,-T,$(location %s) -o $@ %s" % (
            _FLAGS + (_DEBUG_FLAGS if debug else _RELEASE_FLAGS),
            script,
            " ".join(["$(locations %s)" % source for source in srcs + lib]),
        ),
        testonly = True,
        **kwargs
    )
