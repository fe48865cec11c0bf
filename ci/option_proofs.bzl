"""The tests that options of `touchstone run` name as their proof, in the field options of the schema."""

OPTION_PROOFS = [
    "//devices/virtio/block:block_open_test",
    "//integration/boot:bad_input_test",
    "//integration/boot:boot_cloud_test",
    "//integration/control:control_test",
    "//integration/machine:bare_metal_test",
    "//integration/machine_options:machine_options_test",
    "//integration/virtio:balloon_test",
    "//integration/virtio:block_test",
    "//integration/virtio:console_test",
    "//integration/virtio:net_test",
    "//integration/virtio:rng_test",
    "//integration/virtio:vsock_test",
    "//vmm/cli:command_test",
    "//vmm/config:command_line_test",
    "//vmm/config:defaults_test",
    "//vmm/config:net_options_test",
    "//vmm/config:run_line_test",
    "//vmm/machine:build_machine_test",
    "//vmm/machine:memory_policy_test",
    "//vmm/machine:vcpu_placement_test",
]
