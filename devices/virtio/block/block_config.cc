#include "devices/virtio/block/block_config.h"

#include "absl/strings/str_cat.h"
#include "devices/virtio/block/block_format.h"

namespace touchstone {

absl::Status CheckBlockConfig(const BlockConfig& config) {
  const auto mistake = [&config](const auto&... what) {
    return absl::InvalidArgumentError(absl::StrCat("--block path=", config.path(), ": ", what...));
  };
  if (config.path().empty()) return mistake("the path is empty");
  if (config.block_size() == 0 || config.block_size() % kBlockSector != 0) {
    return mistake("block-size=", config.block_size(), " is not a multiple of 512");
  }
  if (config.id().size() > kBlockIdSize) {
    return mistake("id=", config.id(), " is longer than ", kBlockIdSize, " bytes");
  }
  return absl::OkStatus();
}

std::string BlockName(size_t index) {
  std::string letters;
  for (size_t left = index + 1; left > 0; left /= 26) {
    --left;
    letters.insert(letters.begin(), static_cast<char>('a' + left % 26));
  }
  return absl::StrCat("vd", letters);
}

absl::StatusOr<std::string> BlockRootParameter(
    const google::protobuf::RepeatedPtrField<BlockConfig>& disks) {
  std::string parameter;
  for (int i = 0; i < disks.size(); ++i) {
    if (!disks[i].root()) continue;
    if (!parameter.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--block path=", disks[i].path(), ": root is set on another disk already"));
    }
    parameter = absl::StrCat("root=/dev/", BlockName(static_cast<size_t>(i)),
                             disks[i].ro() ? " ro" : " rw");
  }
  return parameter;
}

}  // namespace touchstone
