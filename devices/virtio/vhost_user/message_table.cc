#include "devices/virtio/vhost_user/message_table.h"

#include "absl/strings/str_cat.h"

namespace touchstone {
namespace {

constexpr uint32_t kU64 = sizeof(uint64_t);
constexpr uint32_t kState = sizeof(VhostUserVringState);
constexpr uint32_t kAddress = sizeof(VhostUserVringAddress);
constexpr uint32_t kTable = sizeof(VhostUserMemoryHeader);
constexpr uint32_t kRegion = sizeof(VhostUserMemoryRegion);
constexpr uint32_t kSingle = sizeof(VhostUserSingleRegion);
constexpr uint32_t kConfig = sizeof(VhostUserConfigHeader);
constexpr uint32_t kTransfer = sizeof(VhostUserStateRequest);
constexpr uint32_t kMaxTable = kTable + kVhostUserTableRegions * kRegion;
constexpr uint32_t kMaxConfig = kConfig + kVhostUserConfigSize;
constexpr uint32_t kInflight = sizeof(VhostUserInflight);
constexpr uint32_t kLog = sizeof(VhostUserLog);
constexpr uint32_t kMaxInflight = kInflight + 4;
constexpr bool kReply = true;
constexpr bool kNoReply = false;

constexpr uint32_t Number(VhostUserRequest request) { return static_cast<uint32_t>(request); }

// clang-format off
// The text allows no descriptor with REM_MEM_REG, and asks to bear with one; ADD_MEM_REG has one.
// It says that SET_LOG_BASE is replied to, and not with what: peers have nothing, or any number.
constexpr VhostUserRow kFrontendRows[] = {
    // request                                     name                    payload              fds                     reply     payload         fds  protocol feature
    {Number(VhostUserRequest::kGetFeatures),         "GET_FEATURES",         0,       0,          0,                      kReply,   kU64,    kU64,       0, 0},
    {Number(VhostUserRequest::kSetFeatures),         "SET_FEATURES",         kU64,    kU64,       0,                      kNoReply, 0,       0,          0, 0},
    {Number(VhostUserRequest::kSetOwner),            "SET_OWNER",            0,       0,          0,                      kNoReply, 0,       0,          0, 0},
    {Number(VhostUserRequest::kResetOwner),          "RESET_OWNER",          0,       0,          0,                      kNoReply, 0,       0,          0, 0},
    {Number(VhostUserRequest::kSetMemTable),         "SET_MEM_TABLE",        kTable,  kMaxTable,  kVhostUserTableRegions, kNoReply, 0,       0,          0, 0},
    {Number(VhostUserRequest::kSetLogBase),          "SET_LOG_BASE",         kLog,    kLog,       1,                      kReply,   0,       kU64,       0, kVhostUserLogShmfd},
    {Number(VhostUserRequest::kSetLogFd),            "SET_LOG_FD",           0,       kU64,       1,                      kNoReply, 0,       0,          0, 0},
    {Number(VhostUserRequest::kSetVringNum),         "SET_VRING_NUM",        kState,  kState,     0,                      kNoReply, 0,       0,          0, 0},
    {Number(VhostUserRequest::kSetVringAddr),        "SET_VRING_ADDR",       kAddress, kAddress,  0,                      kNoReply, 0,       0,          0, 0},
    {Number(VhostUserRequest::kSetVringBase),        "SET_VRING_BASE",       kState,  kState,     0,                      kNoReply, 0,       0,          0, 0},
    {Number(VhostUserRequest::kGetVringBase),        "GET_VRING_BASE",       kState,  kState,     0,                      kReply,   kState,  kState,     0, 0},
    {Number(VhostUserRequest::kSetVringKick),        "SET_VRING_KICK",       kU64,    kU64,       1,                      kNoReply, 0,       0,          0, 0},
    {Number(VhostUserRequest::kSetVringCall),        "SET_VRING_CALL",       kU64,    kU64,       1,                      kNoReply, 0,       0,          0, 0},
    {Number(VhostUserRequest::kSetVringErr),         "SET_VRING_ERR",        kU64,    kU64,       1,                      kNoReply, 0,       0,          0, 0},
    {Number(VhostUserRequest::kGetProtocolFeatures), "GET_PROTOCOL_FEATURES", 0,      0,          0,                      kReply,   kU64,    kU64,       0, 0},
    {Number(VhostUserRequest::kSetProtocolFeatures), "SET_PROTOCOL_FEATURES", kU64,   kU64,       0,                      kNoReply, 0,       0,          0, 0},
    {Number(VhostUserRequest::kGetQueueNum),         "GET_QUEUE_NUM",        0,       0,          0,                      kReply,   kU64,    kU64,       0, 0},
    {Number(VhostUserRequest::kSetVringEnable),      "SET_VRING_ENABLE",     kState,  kState,     0,                      kNoReply, 0,       0,          0, 0},
    {Number(VhostUserRequest::kSetBackendReqFd),     "SET_BACKEND_REQ_FD",   0,       kU64,       1,                      kNoReply, 0,       0,          0, kVhostUserBackendReq},
    {Number(VhostUserRequest::kGetConfig),           "GET_CONFIG",           kConfig, kMaxConfig, 0,                      kReply,   0,       kMaxConfig, 0, kVhostUserConfigSpace},
    {Number(VhostUserRequest::kSetConfig),           "SET_CONFIG",           kConfig, kMaxConfig, 0,                      kNoReply, 0,       0,          0, kVhostUserConfigSpace},
    {Number(VhostUserRequest::kGetInflightFd),       "GET_INFLIGHT_FD",      kInflight, kMaxInflight, 0,                    kReply,   kInflight, kMaxInflight, 1, kVhostUserInflightShmfd},
    {Number(VhostUserRequest::kSetInflightFd),       "SET_INFLIGHT_FD",      kInflight, kMaxInflight, 1,                    kNoReply, 0,       0,          0, kVhostUserInflightShmfd},
    {Number(VhostUserRequest::kResetDevice),         "RESET_DEVICE",         0,       0,          0,                      kNoReply, 0,       0,          0, kVhostUserResetDevice},
    {Number(VhostUserRequest::kGetMaxMemSlots),      "GET_MAX_MEM_SLOTS",    0,       0,          0,                      kReply,   kU64,    kU64,       0, kVhostUserConfigureMemSlots},
    {Number(VhostUserRequest::kAddMemReg),           "ADD_MEM_REG",          kSingle, kSingle,    1,                      kNoReply, 0,       0,          0, kVhostUserConfigureMemSlots},
    {Number(VhostUserRequest::kRemMemReg),           "REM_MEM_REG",          kSingle, kSingle,    1,                      kNoReply, 0,       0,          0, kVhostUserConfigureMemSlots},
    {Number(VhostUserRequest::kSetStatus),           "SET_STATUS",           kU64,    kU64,       0,                      kNoReply, 0,       0,          0, kVhostUserStatus},
    {Number(VhostUserRequest::kGetStatus),           "GET_STATUS",           0,       0,          0,                      kReply,   kU64,    kU64,       0, kVhostUserStatus},
    {Number(VhostUserRequest::kSetDeviceStateFd),    "SET_DEVICE_STATE_FD",  kTransfer, kTransfer, 1,                     kReply,   kU64,    kU64,       1, kVhostUserDeviceState},
    {Number(VhostUserRequest::kCheckDeviceState),    "CHECK_DEVICE_STATE",   0,       0,          0,                      kReply,   kU64,    kU64,       0, kVhostUserDeviceState},
};

constexpr VhostUserRow kBackendRows[] = {
    {static_cast<uint32_t>(VhostUserBackendRequest::kConfigChange), "BACKEND_CONFIG_CHANGE_MSG", 0, 0, 0, kNoReply, 0, 0, 0, kVhostUserConfigSpace},
};
// clang-format on

template <size_t kSize>
constexpr bool FitsLimits(const VhostUserRow (&rows)[kSize]) {
  for (const VhostUserRow& row : rows) {
    if (row.min_size > row.max_size || row.max_size > kVhostUserMaxPayload) return false;
    if (row.min_reply_size > row.max_reply_size || row.max_reply_size > kVhostUserMaxPayload) {
      return false;
    }
    if (row.max_fds > kVhostUserMaxFds || row.max_reply_fds > kVhostUserMaxFds) return false;
  }
  return true;
}
static_assert(FitsLimits(kFrontendRows) && FitsLimits(kBackendRows));

absl::Status Fault(const VhostUserRow& row, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(row.name, ": ", what));
}

}  // namespace

VhostUserTable VhostUserFrontendTable() { return kFrontendRows; }

VhostUserTable VhostUserBackendTable() { return kBackendRows; }

const VhostUserRow* FindVhostUserRow(VhostUserTable table, uint32_t request) {
  for (const VhostUserRow& row : table) {
    if (row.request == request) return &row;
  }
  return nullptr;
}

absl::Status CheckVhostUserHeader(VhostUserTable table, const VhostUserHeader& header) {
  const VhostUserRow* const row = FindVhostUserRow(table, header.request);
  if (row == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("unknown request ", header.request.get()));
  }
  const uint32_t flags = header.flags;
  if ((flags & kVhostUserVersionMask) != kVhostUserVersion) {
    return Fault(*row, absl::StrCat("version ", flags & kVhostUserVersionMask, " is not 1"));
  }
  if ((flags & ~kVhostUserKnownFlags) != 0) {
    return Fault(*row, absl::StrCat("unknown flags ", flags & ~kVhostUserKnownFlags));
  }
  const bool reply = (flags & kVhostUserReply) != 0;
  const bool acknowledgement = reply && !row->has_reply;
  const uint32_t min = !reply ? row->min_size : acknowledgement ? kU64 : row->min_reply_size;
  const uint32_t max = !reply ? row->max_size : acknowledgement ? kU64 : row->max_reply_size;
  if (header.size < min || header.size > max) {
    return Fault(*row,
                 absl::StrCat(header.size.get(), " bytes where there are ", min, " to ", max));
  }
  return absl::OkStatus();
}

absl::Status CheckVhostUserFds(VhostUserTable table, const VhostUserMessage& message) {
  const VhostUserRow& row = *FindVhostUserRow(table, message.request);
  const uint32_t max = message.reply() ? row.max_reply_fds : row.max_fds;
  if (message.fds.size() <= max) return absl::OkStatus();
  return Fault(row,
               absl::StrCat(message.fds.size(), " descriptors where there are ", max, " at most"));
}

}  // namespace touchstone
