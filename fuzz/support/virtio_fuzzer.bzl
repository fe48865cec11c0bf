"""virtio_fuzz_test(): the fuzzer of a virtio device."""

load("//fuzz:fuzz.bzl", "fuzz_test")

def virtio_fuzz_test(name, corpus, deps, **kwargs):
    """Declares the fuzzer NAME from NAME.cc, which holds VIRTIO_FUZZER (virtio_fuzzer.h).

    `ci/bazel run :NAME_seeds -- FOLDER` writes seeds made from the device's kit.

    Args:
      name: ends in _fuzzer.
      corpus: as fuzz_test.
      deps: the device's kit.
      **kwargs: passed to fuzz_test.
    """
    srcs = [name + ".cc"]
    all_deps = deps + ["//fuzz/support:virtio_program"]
    fuzz_test(
        name = name,
        srcs = srcs,
        corpus = corpus,
        deps = all_deps,
        **kwargs
    )
    native.cc_binary(
        name = name + "_seeds",
        testonly = True,
        srcs = srcs,
        # Without main() of its own it would be libFuzzer's.
        deps = all_deps + ["//fuzz/support:virtio_seeds"],
    )
