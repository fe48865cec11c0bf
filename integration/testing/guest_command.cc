#include "integration/testing/guest_command.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/log.h"

namespace touchstone {

uint32_t Crc32(absl::string_view data) {
  constexpr uint32_t kPolynomial = 0xedb88320;
  uint32_t crc = 0xffffffff;
  for (const char c : data) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
  }
  return ~crc;
}

GuestCommand::GuestCommand(int id, absl::string_view command)
    : id_(id),
      command_(command),
      line_prefix_(absl::StrCat("#", id, "|")),
      end_prefix_(absl::StrCat("#", id, "=")) {
  CHECK(!absl::StrContains(command, '\n'));
}

std::string GuestCommand::Request() const { return absl::StrCat(id_, " ", command_, "\n"); }

std::string GuestCommand::Again() const { return absl::StrCat(id_, "\n"); }

GuestCommand::Progress GuestCommand::Feed(absl::string_view line) {
  if (absl::StartsWith(line, line_prefix_)) {
    absl::StrAppend(&result_.output, line.substr(line_prefix_.size()), "\n");
    return Progress::kWaiting;
  }
  if (!absl::StartsWith(line, end_prefix_)) return Progress::kWaiting;
  const Progress progress = Finish(line.substr(end_prefix_.size()));
  if (progress == Progress::kMangled) result_ = {};
  return progress;
}

GuestCommand::Progress GuestCommand::Finish(absl::string_view rest) {
  const std::vector<absl::string_view> fields = absl::StrSplit(rest, ' ');
  uint32_t crc = 0;
  size_t size = 0;
  if (fields.size() != 3 || !absl::SimpleAtoi(fields[0], &result_.status) ||
      fields[1].size() != 8 || !absl::SimpleHexAtoi(fields[1], &crc) ||
      !absl::SimpleAtoi(fields[2], &size)) {
    return Progress::kMangled;
  }
  // The newline of the last line may be the protocol's.
  if (result_.output.size() == size + 1) result_.output.pop_back();
  if (result_.output.size() != size || Crc32(result_.output) != crc) return Progress::kMangled;
  return Progress::kDone;
}

}  // namespace touchstone
