#include "vmm/config/validate.h"

#include "devices/module/text_proto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/defaults.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Values;

constexpr HostLimits kHost = {.physical_address_bits = 40};

RunConfig Config(const std::string& text_proto) {
  RunConfig config;
  EXPECT_TRUE(ReadTextProto(text_proto, config).ok()) << text_proto;
  return config;
}

class Valid : public testing::TestWithParam<const char*> {};

TEST_P(Valid, BeforeAndAfterDefaults) {
  RunConfig config = Config(GetParam());

  EXPECT_THAT(Validate(config, kHost), IsEmpty());
  ApplyDefaults(config);
  EXPECT_THAT(Validate(config, kHost), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Configurations, Valid,
    Values("kernel: 'k'", "kernel: 'k' mem {} cpus {}", "kernel: 'k' mem { size: 4 }",
           "kernel: 'k' mem { size: 1044480 }", "kernel: 'k' cpus { num_cores: 254 }",
           "kernel: 'k' serial { num: 4 }", "kernel: 'k' serial {} serial { num: 2 }",
           "kernel: 'k' serial { type: FILE path: '/l' earlycon: true input: '/i' }",
           "kernel: 'k' serial { type: UNIX path: '/l' stdin: true }",
           "kernel: 'k' serial { num: 2 stdin: true }",
           "kernel: 'k' serial { type: UNIX_STREAM path: '/s' input_unix_stream: true }",
           "kernel: 'k' serial { hardware: DEBUGCON debugcon_port: 0xe9 } serial {}",
           "kernel: 'k' serial { hardware: DEBUGCON } serial { hardware: DEBUGCON num: 9 "
           "debugcon_port: 0xe9 }",
           "kernel: 'k' block { path: 'a' } block { path: 'b' root: true block_size: 4096 }",
           "kernel: 'k' net { tap_name: 'a' } tap_fd: 3 host_ip: '10.0.0.1' netmask: '255.0.0.0' "
           "mac_address: '52:54:00:12:34:56'",
           "kernel: 'k' vsock { cid: 3 }", "kernel: 'k' vsock { cid: 0xfffffffe socket: '/s' }",
           "kernel: 'k' vsock { cid: 3 max_queue_sizes: [ 2, 256, 32768 ] }", "kernel: 'k' cid: 3",
           "kernel: 'k' cid: 3 vhost_vsock_device: '/d'", "kernel: 'k' cid: 3 vhost_vsock_fd: 0",
           "kernel: 'k' init_mem: 256 balloon_control: '/s' balloon_page_reporting: true",
           "kernel: 'k' no_balloon: true strict_balloon: true balloon_bias_mib: -5",
           "kernel: 'k' params: 'quiet ~'"));

struct Mistake {
  const char* config;
  const char* error;
};

class Invalid : public testing::TestWithParam<Mistake> {};

TEST_P(Invalid, HasItsOneLine) {
  const RunConfig config = Config(GetParam().config);

  EXPECT_THAT(Validate(config, kHost), ElementsAre(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Machine, Invalid,
    Values(
        Mistake{"", "no KERNEL is given: there is nothing to run"},
        Mistake{"kernel: ''", "no KERNEL is given: there is nothing to run"},
        Mistake{"kernel: 'k' bios: 'b'",
                "--bios: KERNEL 'k' is given too, one of the two can be run"},
        Mistake{"bios: 'b' initrd: 'i'", "--initrd is for a KERNEL, and --bios is given"},
        Mistake{"kernel: 'k' block { path: 'a' bootindex: 3 } block { path: 'b' bootindex: 3 }",
                "--block path=b: bootindex=3 is another disk's already"},
        Mistake{"kernel: 'k' block { path: 'a' pci_address: 'x' }",
                "--block path=a: pci-address=: \"x\" is not a PCI address: expected [DDDD:]BB:DD.F "
                "in hexadecimal"},
        Mistake{"kernel: 'k' block { path: 'a' block_size: 1 }",
                "--block path=a: block-size=1 is not a multiple of 512"},
        Mistake{"kernel: 'k' block { path: 'a' root: true } block { path: 'b' root: true }",
                "--block path=b: root is set on another disk already"},
        Mistake{"kernel: 'k' mem { size: 0 }",
                "--mem: size=0 MiB is too little: a guest needs at least 4 MiB"},
        Mistake{"kernel: 'k' mem { size: 1 }",
                "--mem: size=1 MiB is too little: a guest needs at least 4 MiB"},
        Mistake{
            "kernel: 'k' mem { size: 1044481 }",
            "--mem: size=1044481 MiB is more than this host can address: at most 1044480 MiB are "
            "accepted"},
        Mistake{
            "kernel: 'k' mem { size: 1073741824 }",
            "--mem: size=1073741824 MiB is more than this host can address: at most 1044480 MiB "
            "are accepted"},
        Mistake{"kernel: 'k' mem { size: 18446744073709551615 }",
                "--mem: size=18446744073709551615 MiB is more than this host can address: at most "
                "1044480 MiB are accepted"},
        Mistake{"kernel: 'k' cpus { num_cores: 0 }",
                "--cpus: num-cores=0 is not a number of vCPUs from 1 to 254"},
        Mistake{"kernel: 'k' cpus { num_cores: 255 }",
                "--cpus: num-cores=255 is not a number of vCPUs from 1 to 254"},
        Mistake{"kernel: 'k' cpus { num_cores: 4000000000 }",
                "--cpus: num-cores=4000000000 is not a number of vCPUs from 1 to 254"},
        Mistake{"kernel: 'k' params: 'a\\tb'",
                "--params: 'a\\tb' has bytes that are not printable ASCII"}));

INSTANTIATE_TEST_SUITE_P(
    Serial, Invalid,
    Values(Mistake{"kernel: 'k' serial { num: 0 }",
                   "--serial: num=0 is not a number from 1 to 4294967295"},
           Mistake{"kernel: 'k' serial { num: 5 }",
                   "--serial: hardware=serial,num=5: there are 4 serial ports, num is 1 to 4"},
           Mistake{"kernel: 'k' serial {} serial { num: 1 }",
                   "--serial: hardware=serial,num=1 is given twice"},
           Mistake{"kernel: 'k' serial { stdin: true } serial { num: 2 stdin: true }",
                   "--serial: stdin is given to more than one device"},
           Mistake{"kernel: 'k' serial { earlycon: true } serial { num: 2 earlycon: true }",
                   "--serial: earlycon is given to more than one device"},
           Mistake{"kernel: 'k' serial { hardware: DEBUGCON earlycon: true }",
                   "--serial: hardware=debugcon,num=1: earlycon works with hardware=serial only"},
           Mistake{"kernel: 'k' serial { stdin: true input: '/i' }",
                   "--serial: hardware=serial,num=1: stdin, input= and input-unix-stream are "
                   "inputs, one is accepted"},
           Mistake{"kernel: 'k' serial { type: FILE }",
                   "--serial: hardware=serial,num=1: type=file needs path="},
           Mistake{"kernel: 'k' serial { type: UNIX path: '' }",
                   "--serial: hardware=serial,num=1: type=unix needs path="},
           Mistake{"kernel: 'k' serial { path: '/x' }",
                   "--serial: hardware=serial,num=1: path= has no meaning with type=sink"},
           Mistake{"kernel: 'k' serial { type: UNIX_STREAM }",
                   "--serial: hardware=serial,num=1: type=unix-stream needs path="},
           Mistake{
               "kernel: 'k' serial { type: UNIX_STREAM path: '/s' input: '/i' input_unix_stream: "
               "true }",
               "--serial: hardware=serial,num=1: stdin, input= and input-unix-stream are inputs, "
               "one is accepted"},
           Mistake{"kernel: 'k' serial { input_unix_stream: true }",
                   "--serial: hardware=serial,num=1: input-unix-stream needs type=unix-stream"},
           Mistake{"kernel: 'k' serial { debugcon_port: 1 }",
                   "--serial: hardware=serial,num=1: debugcon-port= needs hardware=debugcon"},
           Mistake{"kernel: 'k' serial { hardware: DEBUGCON } serial { hardware: DEBUGCON num: 2 }",
                   "--serial: hardware=debugcon,num=2: another device is at debugcon-port=0x402"},
           Mistake{"kernel: 'k' serial { hardware: VIRTIO_CONSOLE num: 0 }",
                   "--serial: num=0 is not a number from 1 to 4294967295"},
           Mistake{"kernel: 'k' serial { hardware: LEGACY_VIRTIO_CONSOLE earlycon: true }",
                   "--serial: hardware=legacy-virtio-console,num=1: earlycon works with "
                   "hardware=serial only"},
           Mistake{"kernel: 'k' serial { type: SYSLOG path: '/l' }",
                   "--serial: hardware=serial,num=1: path= has no meaning with type=syslog"},
           Mistake{"kernel: 'k' serial { hardware: DEBUGCON debugcon_port: 65536 }",
                   "--serial: debugcon-port=65536 is not a number from 0 to 65535"}));

INSTANTIATE_TEST_SUITE_P(
    Nets, Invalid,
    Values(Mistake{"kernel: 'k' net {}",
                   "--net: one of tap-name=, tap-fd=, host-ip=, passt, socket= and socket-fd= is "
                   "needed, none is given"},
           Mistake{"kernel: 'k' host_ip: '10.0.0.1' netmask: '255.0.0.0'",
                   "--mac is missing: --host-ip, --netmask and --mac belong together"},
           Mistake{"kernel: 'k' mac_address: 'x'",
                   "--host-ip is missing: --host-ip, --netmask and --mac belong together"},
           Mistake{"kernel: 'k' host_ip: '10.0.0.1' netmask: '255.0.0.0' mac_address: 'x'",
                   "--host-ip, --netmask and --mac: mac=x is no address such as "
                   "52:54:00:12:34:56"},
           Mistake{"kernel: 'k' net { tap_name: 'a' pci_address: 'x' }",
                   "--net: pci-address=: \"x\" is not a PCI address: expected [DDDD:]BB:DD.F in "
                   "hexadecimal"},
           Mistake{"kernel: 'k' tap_name: 'a' vhost_net: true net_vq_pairs: 2",
                   "--tap-name: vq-pairs= with vhost-net: it has one pair of queues"},
           Mistake{"kernel: 'k' net { tap_name: 'a' } net_vq_pairs: 2",
                   "--net-vq-pairs is for --tap-name, --tap-fd and --host-ip, of which none is "
                   "given; for --net it is the key vq-pairs="},
           Mistake{"kernel: 'k' net { tap_name: 'a' } vhost_net: true",
                   "--vhost-net is for --tap-name, --tap-fd and --host-ip, of which none is "
                   "given; for --net it is the key vhost-net"},
           Mistake{"kernel: 'k' tap_name: 'a' vhost_net_device: '/dev/x'",
                   "--vhost-net-device is for --vhost-net, which is not given; for --net it is "
                   "the key vhost-net=[device=PATH]"}));

INSTANTIATE_TEST_SUITE_P(
    Balloon, Invalid,
    Values(Mistake{"kernel: 'k' no_balloon: true balloon_control: '/s'",
                   "--balloon-control needs the balloon that --no-balloon leaves out"},
           Mistake{"kernel: 'k' no_balloon: true balloon_page_reporting: true",
                   "--balloon-page-reporting needs the balloon that --no-balloon leaves out"},
           Mistake{"kernel: 'k' no_balloon: true init_mem: 5",
                   "--init-mem needs the balloon that --no-balloon leaves out"},
           Mistake{"kernel: 'k' mem { size: 64 } init_mem: 65",
                   "--init-mem: 65 MiB is more than --mem: at most 64 MiB are accepted"},
           Mistake{"kernel: 'k' init_mem: 0",
                   "--init-mem=0 is not a number of MiB from 1 to 18446744073709551615"}));

INSTANTIATE_TEST_SUITE_P(
    Vsock, Invalid,
    Values(Mistake{"kernel: 'k' vsock {}", "--vsock: cid is missing"},
           Mistake{"kernel: 'k' vsock { cid: 2 }",
                   "--vsock: cid=2 is not a number from 3 to 4294967294"},
           Mistake{"kernel: 'k' cid: 4294967295",
                   "--cid=4294967295 is not a number from 3 to 4294967294"},
           Mistake{"kernel: 'k' cid: 3 vsock { cid: 3 }",
                   "--cid: --vsock is given too; its cid= says the same"},
           Mistake{"kernel: 'k' vsock { cid: 3 device: '/d' socket: '/s' }",
                   "--vsock: device= is the kernel's and socket= does without it, one is accepted"},
           Mistake{"kernel: 'k' vsock { cid: 3 max_queue_sizes: [ 256, 256 ] }",
                   "--vsock: max-queue-sizes= takes three powers of two, such as [256,256,256]"},
           Mistake{"kernel: 'k' vsock { cid: 3 max_queue_sizes: [ 256, 255, 256 ] }",
                   "--vsock: max-queue-sizes= takes three powers of two, such as [256,256,256]"},
           Mistake{"kernel: 'k' vhost_vsock_device: '/d'", "--vhost-vsock-device needs --cid"},
           Mistake{"kernel: 'k' vhost_vsock_fd: 5", "--vhost-vsock-fd needs --cid"},
           Mistake{"kernel: 'k' cid: 3 vhost_vsock_device: '/d' vhost_vsock_fd: 5",
                   "--vhost-vsock-device: --vhost-vsock-fd is given too, one is accepted"}));

TEST(Validate, ReportsAllMistakesAtOnce) {
  const RunConfig config =
      Config("mem { size: 0 } cpus { num_cores: 0 } serial { num: 0 } params: '\\001'");

  EXPECT_THAT(Validate(config, kHost),
              ElementsAre("no KERNEL is given: there is nothing to run",
                          "--serial: num=0 is not a number from 1 to 4294967295",
                          "--mem: size=0 MiB is too little: a guest needs at least 4 MiB",
                          "--cpus: num-cores=0 is not a number of vCPUs from 1 to 254",
                          "--params: '\\x01' has bytes that are not printable ASCII"));
}

TEST(Validate, AcceptsWhatKvmTakesInOnePiece) {
  EXPECT_THAT(Validate(Config("kernel: 'k' mem { size: 8384512 }"), {.physical_address_bits = 57}),
              IsEmpty());
}

TEST(Validate, NeverAcceptsMoreThanKvmTakesInOnePiece) {
  const RunConfig config = Config("kernel: 'k' mem { size: 8384513 }");

  EXPECT_THAT(Validate(config, {.physical_address_bits = 57}),
              ElementsAre("--mem: size=8384513 MiB is more than KVM takes in one piece: at most "
                          "8384512 MiB are accepted"));
}

TEST(ReadHostLimits, IsPlausible) {
  const HostLimits host = ReadHostLimits({});

  EXPECT_GE(host.physical_address_bits, 32);
  EXPECT_LE(host.physical_address_bits, 57);
}

}  // namespace
}  // namespace touchstone
