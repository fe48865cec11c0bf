// The options of crosvm's `run`, as crosvm.md 1.2 and the sections it refers to list them: data for
// tests, independent of the schema.

#ifndef TOUCHSTONE_VMM_CONFIG_CROSVM_OPTIONS_H_
#define TOUCHSTONE_VMM_CONFIG_CROSVM_OPTIONS_H_

namespace touchstone {

struct CrosvmOption {
  enum Form { kSwitch, kValue, kKeys, kOperand };
  enum Count { kOnce, kRepeats };

  int row;
  const char* name;
  const char* short_flag;  // or empty
  Form form;
  Count count;
  // The keys of a value, separated by blanks, each key[.key][|alias][=default][!], where a dot
  // leads to a key of the key's value, and ! says that it is required.
  const char* keys;
};

using enum CrosvmOption::Form;
using enum CrosvmOption::Count;

inline constexpr CrosvmOption kCrosvmOptions[] = {
    {1, "ac-adapter", "", kSwitch, kOnce, ""},
    {2, "acpi-table", "", kValue, kRepeats, ""},
    {3, "android-display-service", "", kValue, kOnce, ""},
    {4, "android-fstab", "", kValue, kOnce, ""},
    {5, "async-executor", "", kValue, kOnce, ""},
    {6, "balloon-bias-mib", "", kValue, kOnce, ""},
    {7, "balloon-control", "", kValue, kOnce, ""},
    {8, "balloon-page-reporting", "", kSwitch, kOnce, ""},
    {9, "balloon-ws-num-bins", "", kValue, kOnce, ""},
    {10, "balloon-ws-reporting", "", kSwitch, kOnce, ""},
    {11, "battery", "", kKeys, kOnce, "type=goldfish"},
    {12, "bios", "", kValue, kOnce, ""},
    {13, "block", "b", kKeys, kRepeats,
     "path! ro root sparse=true block-size|block_size=512 id direct|o_direct multiple-workers "
     "async-executor|async_executor packed-queue bootindex pci-address lock=true dontcache"},
    {14, "break-linux-pci-config-io", "", kSwitch, kOnce, ""},
    {15, "bus-lock-ratelimit", "", kValue, kOnce, ""},
    {16, "cfg", "", kValue, kRepeats, ""},
    {17, "cid", "", kValue, kOnce, ""},
    {18, "coiommu", "", kKeys, kOnce,
     "unpin_policy=off unpin_interval=60 unpin_limit unpin_gen_threshold=10"},
    {19, "core-scheduling", "", kValue, kOnce, ""},
    {20, "cpu-affinity", "", kValue, kOnce, ""},
    {21, "cpu-capacity", "", kValue, kOnce, ""},
    {22, "cpu-cluster", "", kValue, kRepeats, ""},
    {23, "cpus", "c", kKeys, kOnce,
     "num-cores=1 clusters core-types core-types.atom core-types.core boot-cpu=0 freq-domains sve "
     "sve.auto mte mte.auto"},
    {24, "crash-pipe-name", "", kValue, kOnce, ""},
    {25, "delay-rt", "", kSwitch, kOnce, ""},
    {26, "device-tree-overlay", "", kKeys, kRepeats, "path! filter"},
    {27, "disable-sandbox", "", kSwitch, kOnce, ""},
    {28, "disable-virtio-intx", "", kSwitch, kOnce, ""},
    {29, "disk", "d", kKeys, kRepeats,
     "path! ro root sparse=true block-size|block_size=512 id direct|o_direct multiple-workers "
     "async-executor|async_executor packed-queue bootindex pci-address lock=true dontcache"},
    {30, "display-window-keyboard", "", kSwitch, kOnce, ""},
    {31, "display-window-mouse", "", kSwitch, kOnce, ""},
    {32, "dump-cfg", "", kValue, kOnce, ""},
    {33, "dump-device-tree-blob", "", kValue, kOnce, ""},
    {34, "dynamic-power-coefficient", "", kValue, kOnce, ""},
    {35, "enable-fw-cfg", "", kSwitch, kOnce, ""},
    {36, "enable-hwp", "", kSwitch, kOnce, ""},
    {37, "evdev", "", kValue, kRepeats, ""},
    {38, "file-backed-mapping", "", kKeys, kRepeats,
     "path! addr! size! offset=0 rw sync align ram"},
    {39, "force-calibrated-tsc-leaf", "", kSwitch, kOnce, ""},
    {40, "fw-cfg", "", kKeys, kRepeats, "name! path string"},
    {41, "gdb", "", kValue, kOnce, ""},
    {42, "gpu", "", kKeys, kOnce,
     "backend=2d max-num-displays=16 displays width height egl=true gles=true surfaceless=true glx "
     "vulkan wsi udmabuf cache-path cache-size pci-address pci-bar-size=8589934592 context-types "
     "external-blob system-blob fixed-blob-mapping implicit-render-server renderer-features "
     "audio-device-mode snapshot-scratch-path displays.mode displays.hidden "
     "displays.refresh-rate=60 displays.dpi"},
    {43, "gpu-cgroup-path", "", kValue, kOnce, ""},
    {44, "gpu-display", "", kKeys, kRepeats,
     "mode=windowed[1280,1024] mode.windowed hidden refresh-rate=60 dpi=[320,320]"},
    {45, "gpu-render-server", "", kKeys, kOnce,
     "path! cache-path cache-size foz-db-list-path precompiled-cache-path ld-preload-path"},
    {46, "gpu-server-cgroup-path", "", kValue, kOnce, ""},
    {47, "host-cpu-topology", "", kSwitch, kOnce, ""},
    {48, "host-ip", "", kValue, kOnce, ""},
    {49, "hugepages", "", kSwitch, kOnce, ""},
    {50, "hypervisor", "", kKeys, kOnce,
     "kvm kvm.device=/dev/kvm geniezone gunyah halla whpx haxm gvm"},
    {51, "init-mem", "", kValue, kOnce, ""},
    {52, "initrd", "i", kValue, kOnce, ""},
    {53, "input", "", kKeys, kRepeats,
     "evdev evdev.path! keyboard keyboard.path! mouse mouse.path! rotary rotary.path! switches "
     "switches.path! multi-touch multi-touch.path! multi-touch.width multi-touch.height "
     "multi-touch.name single-touch single-touch.path! trackpad trackpad.path! "
     "multi-touch-trackpad multi-touch-trackpad.path! custom custom.path! custom.config-path!"},
    {54, "irqchip", "", kValue, kOnce, ""},
    {55, "itmt", "", kSwitch, kOnce, ""},
    {56, "KERNEL", "", kOperand, kOnce, ""},
    {57, "keyboard", "", kValue, kRepeats, ""},
    {58, "kvm-device", "", kValue, kOnce, ""},
    {59, "lock-guest-memory", "", kSwitch, kOnce, ""},
    {60, "mac", "", kValue, kOnce, ""},
    {61, "mem", "m", kKeys, kOnce, "size=256"},
    {62, "mmio-address-range", "", kValue, kOnce, ""},
    {63, "mouse", "", kValue, kRepeats, ""},
    {64, "multi-touch", "", kKeys, kRepeats, "path! width=1280 height=1024 name"},
    {65, "net", "", kKeys, kRepeats,
     "tap-name mac tap-fd host-ip netmask vhost-net vhost-net.device=/dev/vhost-net vq-pairs=1 "
     "packed-queue pci-address mrg-rxbuf"},
    {66, "net-vq-pairs", "", kValue, kOnce, ""},
    {67, "netmask", "", kValue, kOnce, ""},
    {68, "no-balloon", "", kSwitch, kOnce, ""},
    {69, "no-i8042", "", kSwitch, kOnce, ""},
    {70, "no-rng", "", kSwitch, kOnce, ""},
    {71, "no-rtc", "", kSwitch, kOnce, ""},
    {72, "no-smt", "", kSwitch, kOnce, ""},
    {73, "no-usb", "", kSwitch, kOnce, ""},
    {74, "oem-strings", "", kValue, kRepeats, ""},
    {75, "params", "p", kValue, kRepeats, ""},
    {76, "pci-hotplug-slots", "", kValue, kOnce, ""},
    {77, "pci-start", "", kValue, kOnce, ""},
    {78, "pcie-ecam", "", kValue, kOnce, ""},
    {79, "per-vm-core-scheduling", "", kSwitch, kOnce, ""},
    {80, "pflash", "", kKeys, kOnce, "path! block_size=4096"},
    {81, "pivot-root", "", kValue, kOnce, ""},
    {82, "plugin", "", kValue, kOnce, ""},
    {83, "plugin-gid-map", "", kValue, kRepeats, ""},
    {84, "plugin-gid-map-file", "", kValue, kOnce, ""},
    {85, "plugin-mount", "", kValue, kRepeats, ""},
    {86, "plugin-mount-file", "", kValue, kOnce, ""},
    {87, "plugin-root", "", kValue, kOnce, ""},
    {88, "pmem-device", "", kKeys, kRepeats,
     "path! ro root sparse=true block-size|block_size=512 id direct|o_direct multiple-workers "
     "async-executor|async_executor packed-queue bootindex pci-address lock=true dontcache"},
    {89, "protected-vm", "", kSwitch, kOnce, ""},
    {90, "protected-vm-with-firmware", "", kValue, kOnce, ""},
    {91, "protected-vm-without-firmware", "", kSwitch, kOnce, ""},
    {92, "pstore", "", kKeys, kOnce, "path! size!"},
    {93, "pvclock", "", kSwitch, kOnce, ""},
    {94, "restore", "", kValue, kOnce, ""},
    {95, "root", "r", kKeys, kRepeats,
     "path! ro root sparse=true block-size|block_size=512 id direct|o_direct multiple-workers "
     "async-executor|async_executor packed-queue bootindex pci-address lock=true dontcache"},
    {96, "rotary", "", kValue, kRepeats, ""},
    {97, "rt-cpus", "", kValue, kOnce, ""},
    {98, "rw-pmem-device", "", kKeys, kRepeats,
     "path! ro root sparse=true block-size|block_size=512 id direct|o_direct multiple-workers "
     "async-executor|async_executor packed-queue bootindex pci-address lock=true dontcache"},
    {99, "rwdisk", "", kKeys, kRepeats,
     "path! ro root sparse=true block-size|block_size=512 id direct|o_direct multiple-workers "
     "async-executor|async_executor packed-queue bootindex pci-address lock=true dontcache"},
    {100, "rwroot", "", kKeys, kRepeats,
     "path! ro root sparse=true block-size|block_size=512 id direct|o_direct multiple-workers "
     "async-executor|async_executor packed-queue bootindex pci-address lock=true dontcache"},
    {101, "s2idle", "", kSwitch, kOnce, ""},
    {102, "scsi-block", "", kKeys, kRepeats, "path! ro root block-size=512 lock=true"},
    {103, "seccomp-log-failures", "", kSwitch, kOnce, ""},
    {104, "seccomp-policy-dir", "", kValue, kOnce, ""},
    {105, "serial", "", kKeys, kRepeats,
     "type=sink hardware=serial num=1 name path input console earlycon stdin "
     "out-timestamp|out_timestamp debugcon-port|debugcon_port=0x402 pci-address input-unix-stream"},
    {106, "shared-dir", "", kKeys, kRepeats,
     "source! tag! type=p9 uidmap gidmap uid gid timeout=5 negative_timeout=0 "
     "cache|cache_policy=auto writeback rewrite-security-xattrs ascii_casefold dax|use_dax "
     "posix_acl=true privileged_quota_uids max_dynamic_perm=0 max_dynamic_xattr=0 "
     "security_ctx=true ugid_map unmap_guest_memory_on_fork"},
    {107, "single-touch", "", kKeys, kRepeats, "path! width=1280 height=1024 name"},
    {108, "smbios", "", kKeys, kOnce,
     "bios-vendor bios-version manufacturer product-name serial-number uuid oem-strings"},
    {109, "socket", "s", kValue, kOnce, ""},
    {110, "sound", "", kValue, kOnce, ""},
    {111, "split-irqchip", "", kSwitch, kOnce, ""},
    {112, "strict-balloon", "", kSwitch, kOnce, ""},
    {113, "stub-pci-device", "", kKeys, kRepeats,
     "address! vendor device class subsystem_vendor subsystem_device revision"},
    {114, "suspended", "", kSwitch, kOnce, ""},
    {115, "swap", "", kValue, kOnce, ""},
    {116, "swiotlb", "", kValue, kOnce, ""},
    {117, "switches", "", kValue, kRepeats, ""},
    {118, "syslog-tag", "", kValue, kOnce, ""},
    {119, "tap-fd", "", kValue, kRepeats, ""},
    {120, "tap-name", "", kValue, kRepeats, ""},
    {121, "trackpad", "", kKeys, kRepeats, "path! width=1280 height=1024 name"},
    {122, "unmap-guest-memory-on-fork", "", kSwitch, kOnce, ""},
    {123, "unprotected-vm-with-firmware", "", kValue, kOnce, ""},
    {124, "vcpu-cgroup-path", "", kValue, kOnce, ""},
    {125, "vfio", "", kKeys, kRepeats, "path! guest-address iommu=off dt-symbol"},
    {126, "vfio-isolate-hotplug", "", kSwitch, kOnce, ""},
    {127, "vfio-platform", "", kValue, kRepeats, ""},
    {128, "vhost-net", "", kSwitch, kOnce, ""},
    {129, "vhost-net-device", "", kValue, kOnce, ""},
    {130, "vhost-user", "", kKeys, kRepeats, "type! socket! max-queue-size=32768 pci-address"},
    {131, "vhost-user-blk", "", kKeys, kRepeats, "socket! max-queue-size"},
    {132, "vhost-user-console", "", kKeys, kRepeats, "socket! max-queue-size"},
    {133, "vhost-user-fs", "", kKeys, kRepeats, "socket! tag max-queue-size"},
    {134, "vhost-user-gpu", "", kKeys, kRepeats, "socket! max-queue-size"},
    {135, "vhost-user-mac80211-hwsim", "", kKeys, kOnce, "socket! max-queue-size"},
    {136, "vhost-user-net", "", kKeys, kRepeats, "socket! max-queue-size"},
    {137, "vhost-user-snd", "", kKeys, kRepeats, "socket! max-queue-size"},
    {138, "vhost-user-video-decoder", "", kKeys, kOnce, "socket! max-queue-size"},
    {139, "vhost-user-vsock", "", kKeys, kRepeats, "socket! max-queue-size"},
    {140, "vhost-user-wl", "", kKeys, kRepeats, "socket! max-queue-size"},
    {141, "vhost-vsock-device", "", kValue, kOnce, ""},
    {142, "vhost-vsock-fd", "", kValue, kOnce, ""},
    {143, "video-decoder", "", kKeys, kRepeats, "backend!"},
    {144, "video-encoder", "", kKeys, kRepeats, "backend!"},
    {145, "virtio-snd", "", kKeys, kRepeats,
     "capture backend=null num_output_devices=1 num_input_devices=1 num_output_streams=1 "
     "num_input_streams=1 playback_path playback_size=0 client_type socket_type "
     "output_device_config output_device_config.effects input_device_config card_index=0"},
    {146, "vsock", "", kKeys, kOnce, "cid! device=/dev/vhost-vsock max-queue-sizes"},
    {147, "vtpm-proxy", "", kSwitch, kOnce, ""},
    {148, "wayland-sock", "", kKeys, kRepeats, "path! name"},
    {149, "x-display", "", kValue, kOnce, ""},
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_CROSVM_OPTIONS_H_
