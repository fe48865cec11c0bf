"""How a benchmark is declared."""

def benchmark(name, srcs, deps, data = [], **kwargs):
    """A Google Benchmark binary, and a test that proves that it runs.

    Makes NAME, to be run by hand with --config=opt, and NAME_smoke_test, which runs every benchmark
    in it for a moment.

    Args:
      name: the target; ends in _benchmark.
      srcs: sources that register benchmarks; main() is the library's.
      deps: what they measure.
      data: files that they need at run time.
      **kwargs: passed to both targets. Devices name the test in their `:checks`.
    """
    kwargs.setdefault("visibility", ["//:devices", "//:harness"])
    native.cc_binary(
        name = name,
        testonly = True,
        srcs = srcs,
        data = data,
        tags = ["benchmark"],
        deps = deps + ["@com_github_google_benchmark//:benchmark_main"],
        **kwargs
    )
    native.sh_test(
        name = name + "_smoke_test",
        size = "small",
        srcs = [":" + name],
        args = ["--benchmark_min_time=0.001"],
        data = data,
        **kwargs
    )
