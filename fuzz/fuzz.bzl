"""fuzz_test(): one target that is a regression test and a fuzzer."""

def fuzz_test(name, srcs, deps = [], corpus = [], dictionary = None, tags = [], **kwargs):
    """Declares a fuzz target.

    `ci/bazel test :name` replays the corpus, each file and its prefixes, as an ordinary test, with whatever sanitizer is on.
    `ci/bazel build --config=fuzz :name` makes the libFuzzer binary of the same name. Crashes found go into the corpus under the
    name libFuzzer or ClusterFuzz gave them, and are regression tests from then on.

    Args:
      name: ends in _fuzzer.
      srcs: defines LLVMFuzzerTestOneInput.
      deps: what it fuzzes.
      corpus: seed and crash files.
      dictionary: libFuzzer's -dict file, for inputs made of words.
      tags: "fuzz" is added.
      **kwargs: passed to cc_test. Devices name it in their `:checks`.
    """
    kwargs.setdefault("visibility", ["//:devices", "//:harness"])
    if not name.endswith("_fuzzer"):
        fail("a fuzz target's name ends in _fuzzer, not " + name)
    if not corpus:
        fail(name + " has no corpus: a fuzzer that replays nothing proves nothing")
    data = corpus + ([dictionary] if dictionary else [])
    native.cc_test(
        name = name,
        size = "small",
        srcs = srcs,
        args = select({
            "//:fuzz": ["-runs=0"] + ["$(location %s)" % file for file in corpus],
            "//conditions:default": ["$(location %s)" % file for file in corpus],
        }),
        data = data,
        tags = tags + ["fuzz"],
        deps = deps + ["//fuzz/support:engine"],
        **kwargs
    )
    if dictionary:
        # Found by its name beside the binary, as OSS-Fuzz does.
        native.filegroup(
            name = name + "_dictionary",
            srcs = [dictionary],
            tags = ["fuzz_dictionary"],
        )
    native.filegroup(
        name = name + "_corpus_files",
        srcs = corpus,
        tags = ["fuzz_corpus"],
    )
