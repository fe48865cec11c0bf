#include "vmm/config/net_options.h"

#include <cstdint>
#include <string>

namespace touchstone {

void GatherNets(RunConfig& config) {
  const int before = config.net_size();
  const auto add = [&config]() -> NetConfig& {
    NetConfig& net = *config.add_net();
    if (config.has_net_vq_pairs()) net.set_vq_pairs(config.net_vq_pairs());
    if (config.vhost_net()) net.mutable_vhost_net();
    if (config.vhost_net() && config.has_vhost_net_device()) {
      net.mutable_vhost_net()->set_device(config.vhost_net_device());
    }
    return net;
  };
  for (const std::string& name : config.tap_name()) add().set_tap_name(name);
  for (const int32_t fd : config.tap_fd()) add().set_tap_fd(fd);
  if (config.has_host_ip() || config.has_netmask() || config.has_mac_address()) {
    NetConfig& net = add();
    if (config.has_host_ip()) net.set_host_ip(config.host_ip());
    if (config.has_netmask()) net.set_netmask(config.netmask());
    if (config.has_mac_address()) net.set_mac(config.mac_address());
  }
  if (config.net_size() > before) {
    config.clear_net_vq_pairs();
    if (config.vhost_net()) config.clear_vhost_net_device();
    config.clear_vhost_net();
  }
  config.clear_tap_name();
  config.clear_tap_fd();
  config.clear_host_ip();
  config.clear_netmask();
  config.clear_mac_address();
}

}  // namespace touchstone
