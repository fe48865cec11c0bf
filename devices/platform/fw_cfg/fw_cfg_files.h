// The files of the firmware configuration device, from what --fw-cfg says.

#ifndef TOUCHSTONE_DEVICES_PLATFORM_FW_CFG_FW_CFG_FILES_H_
#define TOUCHSTONE_DEVICES_PLATFORM_FW_CFG_FW_CFG_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "devices/platform/fw_cfg/fw_cfg.h"
#include "devices/platform/fw_cfg/fw_cfg.pb.h"
#include "google/protobuf/repeated_field.h"

namespace touchstone {

using FwCfgConfigs = google::protobuf::RepeatedPtrField<FwCfgConfig>;

// The values that cannot be, one line each without a newline: a name that is too long or twice
// there, contents of both kinds or of none.
std::vector<std::string> CheckFwCfg(const FwCfgConfigs& configs);

// Reads what is in files of the host. Errors name --fw-cfg, the file and the reason.
// REQUIRES: CheckFwCfg has found nothing.
absl::StatusOr<std::vector<FwCfg::File>> ReadFwCfgFiles(const FwCfgConfigs& configs);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_FW_CFG_FW_CFG_FILES_H_
