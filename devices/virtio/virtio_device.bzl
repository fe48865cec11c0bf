"""How a virtio device is declared: one call makes what every device has, and ties it to what has to prove it."""

def virtio_device(name, deps, testing_deps = [], test_deps = [], more_checks = [], conformance_shards = None):
    """Declares a device of devices/virtio/NAME and its `:checks`.

    Makes, from files of these names:

      NAME                    NAME.cc, NAME.h                  the device
      NAME_testing            NAME_testing.cc, NAME_testing.h  its kit (devices/virtio/testing/device_kit.h)
      NAME_test               NAME_test.cc                     its unit test
      NAME_conformance_test   NAME_conformance_test.cc         the suite that all devices share
      checks                  those tests, the fuzzer //fuzz/virtio:NAME_fuzzer and the benchmark
                              //bench/virtio:NAME_benchmark, without which this package does not build

    Back ends and other parts are targets of their own.

    Args:
      name: the folder's.
      deps: of the device.
      testing_deps: of the kit, besides the device, the kit's interface and the loop.
      test_deps: of the unit test, besides the device, its kit, a driver, the loop and GoogleTest.
      more_checks: tests of back ends and other parts, for `:checks`.
      conformance_shards: parts that the conformance run is cut into, for devices with several kits.
    """
    native.cc_library(
        name = name,
        srcs = [name + ".cc"],
        hdrs = [name + ".h"],
        deps = deps,
    )
    native.cc_library(
        name = name + "_testing",
        testonly = True,
        srcs = [name + "_testing.cc"],
        hdrs = [name + "_testing.h"],
        deps = testing_deps + [
            ":" + name,
            "//base/event:manual_loop",
            "//devices/virtio/testing:device_kit",
        ],
    )
    native.cc_test(
        name = name + "_test",
        size = "small",
        srcs = [name + "_test.cc"],
        deps = test_deps + [
            ":" + name,
            ":" + name + "_testing",
            "//base/event:manual_loop",
            "//devices/virtio/core:virtio_features",
            "//devices/virtio/testing:guest_driver",
            "@com_google_googletest//:gtest_main",
        ],
    )
    native.cc_test(
        name = name + "_conformance_test",
        size = "medium",
        srcs = [name + "_conformance_test.cc"],
        shard_count = conformance_shards,
        deps = [
            ":" + name + "_testing",
            "//devices/virtio/testing:conformance",
            "@com_google_googletest//:gtest_main",
        ],
    )
    native.test_suite(
        name = "checks",
        tests = more_checks + [
            ":" + name + "_conformance_test",
            ":" + name + "_test",
            "//bench/virtio:" + name + "_benchmark_smoke_test",
            "//fuzz/virtio:" + name + "_fuzzer",
        ],
    )
