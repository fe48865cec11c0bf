#include "devices/platform/fw_cfg/fw_cfg.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/append_object.h"
#include "base/endian.h"
#include "base/log.h"

namespace touchstone {
namespace {

constexpr uint8_t kSignature[] = {'Q', 'E', 'M', 'U'};
constexpr uint8_t kInterface[] = {FwCfg::kTraditionalInterface, 0, 0, 0};

// Whether firmware offers its boot menu: 16 bits. Where processors are counted there is a firmware,
// and it does; SeaBIOS takes an item of zeros, as what is not there reads, for "no".
constexpr uint16_t kBootMenuItem = 0x000E;
constexpr uint8_t kBootMenu[] = {1, 0};

// struct FWCfgFile. Unlike the selector register it is big-endian.
struct DirectoryEntry {
  Be32 size;
  Be16 selector;
  Be16 reserved;
  char name[FwCfg::kLongestName + 1] = {};
};
static_assert(sizeof(DirectoryEntry) == FwCfg::kDirectoryEntrySize);

std::vector<uint8_t> BuildDirectory(const std::vector<FwCfg::File>& files) {
  CHECK(files.size() <= FwCfg::kMostFiles);
  std::vector<uint8_t> directory;
  AppendObject(directory, Be32(static_cast<uint32_t>(files.size())));
  uint16_t item = FwCfg::kFirstFileItem;
  for (const FwCfg::File& file : files) {
    CHECK(!file.name.empty() && file.name.size() <= FwCfg::kLongestName);
    CHECK(file.contents.size() <= FwCfg::kLargestFile);
    DirectoryEntry entry = {.size = static_cast<uint32_t>(file.contents.size()),
                            .selector = item++};
    file.name.copy(entry.name, FwCfg::kLongestName);
    AppendObject(directory, entry);
  }
  return directory;
}

std::vector<uint8_t> BuildProcessors(uint16_t count) {
  std::vector<uint8_t> item;
  if (count > 0) AppendObject(item, Le16(count));
  return item;
}

}  // namespace

FwCfg::FwCfg(std::vector<File> files, uint16_t processors)
    : files_(std::move(files)),
      directory_(BuildDirectory(files_)),
      processors_(BuildProcessors(processors)) {}

absl::Span<const uint8_t> FwCfg::Item(uint16_t selector) const {
  switch (selector) {
    case kSignatureItem:
      return kSignature;
    case kInterfaceItem:
      return kInterface;
    case kProcessorsItem:
    case kMostProcessorsItem:
      return processors_;
    case kBootMenuItem:
      if (processors_.empty()) return {};
      return kBootMenu;
    case kDirectoryItem:
      return directory_;
    default:
      break;
  }
  const size_t file = size_t{selector} - kFirstFileItem;  // huge when below
  if (file >= files_.size()) return {};
  return files_[file].contents;
}

void FwCfg::Read(uint64_t offset, absl::Span<uint8_t> data) {
  if (offset != kData || data.size() != 1) return;
  MutexLock lock(mutex_);
  const absl::Span<const uint8_t> item = Item(state_.selector);
  data[0] = state_.position < item.size() ? item[state_.position++] : 0;
}

void FwCfg::Write(uint64_t offset, absl::Span<const uint8_t> data) {
  if (offset != kSelector || data.size() != 2) return;
  MutexLock lock(mutex_);
  state_ = {.selector = static_cast<uint16_t>(LoadLe(data))};
}

FwCfg::State FwCfg::Save() const {
  MutexLock lock(mutex_);
  return state_;
}

absl::Status FwCfg::Restore(const State& state) {
  const size_t size = Item(state.selector).size();
  if (state.position > size) {
    return absl::InvalidArgumentError(absl::StrCat("fw_cfg: position ", state.position,
                                                   " is behind the ", size, " bytes of item 0x",
                                                   absl::Hex(state.selector)));
  }
  MutexLock lock(mutex_);
  state_ = state;
  return absl::OkStatus();
}

}  // namespace touchstone
