#include "vmm/gdb/session.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/log.h"
#include "base/status.h"
#include "vmm/gdb/virtual_memory.h"

namespace touchstone {
namespace {

// Error numbers have no meaning to gdb (GDB manual, E.1); these are errno's.
constexpr char kInvalid[] = "E16";
constexpr char kFault[] = "E0e";
constexpr char kFull[] = "E1c";
constexpr char kHostError[] = "E05";

// Signals by gdb's numbers.
constexpr char kSigInt[] = "02";
constexpr char kSigTrap[] = "05";

// Bytes of memory that fit an answer in hex.
constexpr uint64_t kMaxMemory = kGdbMaxPacket / 2;

std::optional<uint64_t> Hex(absl::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "a,b" with any separator.
std::optional<std::pair<uint64_t, uint64_t>> HexPair(absl::string_view text, char separator) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits(separator, 1));
  const std::optional<uint64_t> first = Hex(parts.first);
  const std::optional<uint64_t> second = Hex(parts.second);
  if (!first.has_value() || !second.has_value()) return std::nullopt;
  return std::pair(*first, *second);
}

std::optional<std::string> FromHex(absl::string_view hex) {
  const auto is_digit = [](unsigned char c) { return absl::ascii_isxdigit(c); };
  if (hex.size() % 2 != 0 || !std::all_of(hex.begin(), hex.end(), is_digit)) return std::nullopt;
  return absl::HexStringToBytes(hex);
}

absl::Span<const uint8_t> Unsigned(absl::string_view bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

std::string ToReply(const absl::Status& status) {
  if (status.ok()) return "OK";
  if (absl::IsResourceExhausted(status)) return kFull;
  if (absl::IsInvalidArgument(status) || absl::IsPermissionDenied(status) ||
      absl::IsNotFound(status)) {
    return kInvalid;
  }
  LOG(kWarning, "gdb", "%s", std::string(status.message()));
  return kHostError;
}

std::string ThreadId(uint32_t vcpu) { return absl::StrCat(absl::Hex(vcpu + 1)); }

}  // namespace

GdbSession::GdbSession(GdbTarget& target, Send send)
    : target_(target), send_(std::move(send)), breakpoints_(target.memory()) {}

GdbSession::~GdbSession() {
  if (!finished_) Finish();
}

void GdbSession::Feed(absl::string_view bytes) {
  reader_.Feed(bytes, [this](const GdbInput& input) {
    if (!finished_) Take(input);
  });
}

void GdbSession::Take(const GdbInput& input) {
  switch (input.kind) {
    case GdbInput::Kind::kAck:
      return;
    case GdbInput::Kind::kNack:
      return send_(last_packet_);
    case GdbInput::Kind::kInterrupt:
      return target_.Interrupt();
    case GdbInput::Kind::kCorrupt:
      if (acknowledges_) send_("-");
      return;
    case GdbInput::Kind::kPacket:
      break;
  }
  if (acknowledges_) send_("+");
  // In all-stop mode gdb asks for nothing while the machine runs (GDB manual, E.5).
  if (running_) return Reply(kInvalid);
  if (const std::optional<std::string> answer = Answer(input.payload)) Reply(*answer);
}

void GdbSession::Reply(absl::string_view payload) {
  last_packet_ = EncodeGdbPacket(payload);
  send_(last_packet_);
}

std::optional<std::string> GdbSession::Answer(absl::string_view packet) {
  if (packet.empty()) return "";
  const absl::string_view rest = packet.substr(1);
  switch (packet[0]) {
    case '?':
      return StopReply();
    case 'g':
      return ReadRegisters();
    case 'G':
      return WriteRegisters(rest);
    case 'p':
      return ReadRegister(rest);
    case 'P':
      return WriteRegister(rest);
    case 'm':
      return ReadMemory(rest);
    case 'M': {
      const std::pair<absl::string_view, absl::string_view> parts =
          absl::StrSplit(rest, absl::MaxSplits(':', 1));
      const std::optional<std::string> bytes = FromHex(parts.second);
      return bytes.has_value() ? WriteMemory(parts.first, *bytes) : kInvalid;
    }
    case 'X': {
      const std::pair<absl::string_view, absl::string_view> parts =
          absl::StrSplit(rest, absl::MaxSplits(':', 1));
      return WriteMemory(parts.first, parts.second);
    }
    case 'H':
      return SelectThread(rest);
    case 'T': {
      const std::optional<uint64_t> thread = Hex(rest);
      return thread.has_value() && *thread - 1 < target_.vcpu_count() ? "OK" : kInvalid;
    }
    case 'Z':
    case 'z':
      return ChangeBreakpoint(packet);
    case 'c':
      return rest.empty() ? Continue("c") : kInvalid;
    case 's':
      return rest.empty() ? Continue(absl::StrCat("s:", ThreadId(vcpu_), ";c")) : kInvalid;
    case 'k':
      target_.Kill();
      finished_ = true;
      return std::nullopt;
    case 'D':
      Reply("OK");
      Finish();
      return std::nullopt;
    default:
      return AnswerLong(packet);
  }
}

std::optional<std::string> GdbSession::AnswerLong(absl::string_view packet) {
  if (packet == "vCont?") return "vCont;c;C;s;S";
  if (absl::ConsumePrefix(&packet, "vCont;")) return Continue(packet);
  if (absl::StartsWith(packet, "vKill")) {
    Reply("OK");
    target_.Kill();
    finished_ = true;
    return std::nullopt;
  }
  if (packet == "QStartNoAckMode") {
    Reply("OK");
    acknowledges_ = false;
    return std::nullopt;
  }
  return AnswerQuery(packet);
}

std::string GdbSession::AnswerQuery(absl::string_view packet) const {
  if (absl::StartsWith(packet, "qSupported")) {
    return absl::StrCat("PacketSize=", absl::Hex(kGdbMaxPacket),
                        ";QStartNoAckMode+;qXfer:features:read+;vContSupported+;swbreak+;hwbreak+");
  }
  if (packet == "qAttached") return "1";
  if (packet == "qC") return absl::StrCat("QC", ThreadId(vcpu_));
  if (packet == "qfThreadInfo") {
    std::string threads = "m";
    for (uint32_t i = 0; i < target_.vcpu_count(); ++i) {
      absl::StrAppend(&threads, i == 0 ? "" : ",", ThreadId(i));
    }
    return threads;
  }
  if (packet == "qsThreadInfo") return "l";
  if (absl::ConsumePrefix(&packet, "qThreadExtraInfo,")) {
    const std::optional<uint64_t> thread = Hex(packet);
    if (!thread.has_value()) return kInvalid;
    return absl::BytesToHexString(absl::StrCat("vCPU ", *thread - 1));
  }
  if (absl::ConsumePrefix(&packet, "qXfer:features:read:target.xml:")) return Features(packet);
  return "";
}

std::string GdbSession::Features(absl::string_view range) const {
  const auto parsed = HexPair(range, ',');
  if (!parsed.has_value()) return kInvalid;
  const std::string xml = GdbTargetDescription();
  if (parsed->first >= xml.size()) return "l";
  // Room for the escapes that some bytes may need.
  const std::string part = xml.substr(static_cast<size_t>(parsed->first),
                                      static_cast<size_t>(std::min(parsed->second, kMaxMemory)));
  return absl::StrCat(parsed->first + part.size() < xml.size() ? "m" : "l", part);
}

std::string GdbSession::ReadRegisters() {
  const absl::StatusOr<GdbCpuState> state = target_.ReadState(vcpu_);
  if (!state.ok()) return ToReply(state.status());
  std::string bytes;
  for (size_t i = 0; i < GdbRegisterCount(); ++i) bytes += ReadGdbRegister(*state, i);
  return absl::BytesToHexString(bytes);
}

std::string GdbSession::WriteRegisters(absl::string_view hex) {
  const std::optional<std::string> bytes = FromHex(hex);
  absl::StatusOr<GdbCpuState> state = target_.ReadState(vcpu_);
  if (!state.ok()) return ToReply(state.status());
  if (!bytes.has_value()) return kInvalid;
  absl::string_view left = *bytes;
  for (size_t i = 0; i < GdbRegisterCount(); ++i) {
    const absl::Status status =
        WriteGdbRegister(*state, i, left.substr(0, std::min(left.size(), GdbRegisterSize(i))));
    if (!status.ok()) return ToReply(status);
    left.remove_prefix(GdbRegisterSize(i));
  }
  return ToReply(target_.WriteState(vcpu_, *state));
}

std::string GdbSession::ReadRegister(absl::string_view number) {
  const std::optional<uint64_t> index = Hex(number);
  if (!index.has_value() || *index >= GdbRegisterCount()) return kInvalid;
  const absl::StatusOr<GdbCpuState> state = target_.ReadState(vcpu_);
  if (!state.ok()) return ToReply(state.status());
  return absl::BytesToHexString(ReadGdbRegister(*state, static_cast<size_t>(*index)));
}

std::string GdbSession::WriteRegister(absl::string_view assignment) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(assignment, absl::MaxSplits('=', 1));
  const std::optional<uint64_t> index = Hex(parts.first);
  const std::optional<std::string> value = FromHex(parts.second);
  if (!index.has_value() || *index >= GdbRegisterCount() || !value.has_value()) return kInvalid;
  absl::StatusOr<GdbCpuState> state = target_.ReadState(vcpu_);
  if (!state.ok()) return ToReply(state.status());
  const absl::Status status = WriteGdbRegister(*state, static_cast<size_t>(*index), *value);
  return ToReply(status.ok() ? target_.WriteState(vcpu_, *state) : status);
}

std::string GdbSession::ReadMemory(absl::string_view range) {
  const auto parsed = HexPair(range, ',');
  if (!parsed.has_value()) return kInvalid;
  const absl::StatusOr<GdbCpuState> state = target_.ReadState(vcpu_);
  if (!state.ok()) return ToReply(state.status());
  std::vector<uint8_t> data(static_cast<size_t>(std::min(parsed->second, kMaxMemory)));
  const size_t size =
      ReadVirtual(target_.memory(), state->special, parsed->first, absl::MakeSpan(data));
  if (size == 0 && !data.empty()) return kFault;
  data.resize(size);
  breakpoints_.Hide(parsed->first, absl::MakeSpan(data));
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(data.data()), data.size()));
}

std::string GdbSession::WriteMemory(absl::string_view range, absl::string_view bytes) {
  const auto parsed = HexPair(range, ',');
  if (!parsed.has_value() || parsed->second != bytes.size()) return kInvalid;
  const absl::StatusOr<GdbCpuState> state = target_.ReadState(vcpu_);
  if (!state.ok()) return ToReply(state.status());
  const absl::Span<const uint8_t> data = Unsigned(bytes);
  const size_t size = WriteVirtual(target_.memory(), state->special, parsed->first, data);
  breakpoints_.Rewrite(parsed->first, data.first(size));
  return size == data.size() ? "OK" : kFault;
}

// Hg and Hc, with 0 for any thread and -1 for all.
std::string GdbSession::SelectThread(absl::string_view argument) {
  if (argument.size() < 2) return kInvalid;
  const absl::string_view thread = argument.substr(1);
  if (thread == "0" || thread == "-1") return "OK";
  const std::optional<uint64_t> number = Hex(thread);
  if (!number.has_value() || *number - 1 >= target_.vcpu_count()) return kInvalid;
  vcpu_ = static_cast<uint32_t>(*number - 1);
  return "OK";
}

// Z0,address,kind: 0 software, 1 hardware, 2 write, 3 read, 4 access.
std::string GdbSession::ChangeBreakpoint(absl::string_view packet) {
  if (packet.size() < 3 || packet[2] != ',') return kInvalid;
  const bool insert = packet[0] == 'Z';
  const auto parsed = HexPair(packet.substr(3), ',');
  if (!parsed.has_value()) return kInvalid;
  const auto [address, size] = *parsed;
  GdbBreakpoints::Kind kind = GdbBreakpoints::Kind::kExecute;
  switch (packet[1]) {
    case '0':
    case '1':
      break;
    case '2':
      kind = GdbBreakpoints::Kind::kWrite;
      break;
    case '4':
      kind = GdbBreakpoints::Kind::kAccess;
      break;
    default:  // The processor cannot watch reads alone.
      return "";
  }
  const bool software = packet[1] == '0';
  if (!insert) {
    return ToReply(software ? breakpoints_.RemoveSoftware(address)
                            : breakpoints_.RemoveHardware(kind, address, size));
  }
  const absl::StatusOr<GdbCpuState> state = target_.ReadState(vcpu_);
  if (!state.ok()) return ToReply(state.status());
  return ToReply(software ? breakpoints_.InsertSoftware(address, state->special)
                          : breakpoints_.InsertHardware(kind, address, size, state->special));
}

// action[:thread][;action[:thread]]...: of the actions that name a vCPU, or none, the first counts;
// where none does it stays (GDB manual, E.2).
std::optional<std::string> GdbSession::Continue(absl::string_view actions) {
  GdbRun run;
  run.vcpus.assign(target_.vcpu_count(), {.runs = false});
  std::vector<bool> decided(run.vcpus.size());
  for (const absl::string_view item : absl::StrSplit(actions, ';')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(item, absl::MaxSplits(':', 1));
    const absl::string_view action = parts.first;
    if (action.empty() || absl::string_view("cCsS").find(action[0]) == absl::string_view::npos) {
      return kInvalid;
    }
    const GdbRun::Vcpu how = {.runs = true, .step = action[0] == 's' || action[0] == 'S'};
    const bool all = parts.second.empty() || parts.second == "-1";
    const std::optional<uint64_t> thread = all ? std::nullopt : Hex(parts.second);
    if (!all && (!thread.has_value() || *thread - 1 >= run.vcpus.size())) return kInvalid;
    for (size_t i = 0; i < run.vcpus.size(); ++i) {
      if (decided[i] || (!all && *thread - 1 != i)) continue;
      run.vcpus[i] = how;
      decided[i] = true;
    }
  }
  return Run(std::move(run));
}

std::optional<std::string> GdbSession::Run(GdbRun run) {
  run.breakpoints = breakpoints_.registers();
  run.software = breakpoints_.software();
  running_ = true;
  const absl::Status status = target_.Resume(run, [this](const GdbStop& stop) { Stopped(stop); });
  if (status.ok()) return std::nullopt;
  running_ = false;
  return ToReply(status);
}

void GdbSession::Stopped(const GdbStop& stop) {
  running_ = false;
  last_stop_ = stop;
  vcpu_ = stop.vcpu;
  Reply(StopReply());
}

// GDB manual, E.3.
std::string GdbSession::StopReply() const {
  const bool interrupt = last_stop_.reason == GdbStop::Reason::kInterrupt;
  std::string reply =
      absl::StrCat("T", interrupt ? kSigInt : kSigTrap, "thread:", ThreadId(last_stop_.vcpu), ";");
  switch (last_stop_.reason) {
    case GdbStop::Reason::kSoftware:
      absl::StrAppend(&reply, "swbreak:;");
      break;
    case GdbStop::Reason::kHardware:
      absl::StrAppend(&reply, "hwbreak:;");
      break;
    case GdbStop::Reason::kWrite:
      absl::StrAppend(&reply, "watch:", absl::Hex(last_stop_.address), ";");
      break;
    case GdbStop::Reason::kAccess:
      absl::StrAppend(&reply, "awatch:", absl::Hex(last_stop_.address), ";");
      break;
    case GdbStop::Reason::kInterrupt:
    case GdbStop::Reason::kStep:
      break;
  }
  return reply;
}

void GdbSession::Finish() {
  finished_ = true;
  breakpoints_.RemoveAll();
  target_.Detach();
}

void GdbSession::Ended(uint8_t status) {
  if (finished_) return;
  finished_ = true;
  Reply(absl::StrCat("W", absl::Hex(status, absl::kZeroPad2)));
}

}  // namespace touchstone
