#include "devices/virtio/console/console.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"

namespace touchstone {
namespace {

constexpr size_t kMaxStateSize =
    Console::kMaxPorts * (ConsolePort::kInputSize + ConsolePort::kMaxCarried + 100);

// As Save writes it: all fields, and no others.
std::string Canonical(const ConsoleState& state) {
  ConsoleState canonical;
  canonical.set_version(state.version());
  canonical.set_cols(state.cols());
  canonical.set_rows(state.rows());
  for (const ConsolePortState& from : state.port()) {
    ConsolePortState& port = *canonical.add_port();
    port.set_input(from.input());
    port.set_output(from.output());
    port.set_ready(from.ready());
    port.set_open(from.open());
    port.set_pending(from.pending());
  }
  return canonical.SerializeAsString();
}

uint64_t Features(Console::Kind kind) {
  switch (kind) {
    case Console::Kind::kLegacy:
      return 0;
    case Console::Kind::kSingle:
      return kConsoleSizeFeature | kConsoleEmergencyWrite;
    case Console::Kind::kPorts:
      return kConsoleSizeFeature | kConsoleEmergencyWrite | kConsoleMultiport;
  }
  return 0;
}

std::vector<ConsoleControl::Port> Descriptions(const std::vector<Console::Port>& ports) {
  std::vector<ConsoleControl::Port> descriptions;
  descriptions.reserve(ports.size());
  for (const Console::Port& port : ports) descriptions.push_back(port.port);
  return descriptions;
}

}  // namespace

std::vector<uint16_t> Console::QueueSizes(Kind kind, size_t ports) {
  const size_t pairs = kind == Kind::kPorts ? ports + 1 : 1;
  return std::vector<uint16_t>(2 * pairs, kQueueSize);
}

Console::Console(EventLoop& loop, Kind kind, std::vector<Port> ports)
    : QueueDevice({.device_id = kDeviceId,
                   .queue_sizes = QueueSizes(kind, ports.size()),
                   .features = Features(kind)},
                  loop),
      kind_(kind),
      control_(Descriptions(ports)) {
  CHECK(!ports.empty() && ports.size() <= kMaxPorts);
  CHECK(kind == Kind::kPorts || ports.size() == 1);
  MutexLock lock(mutex_);
  ports_.reserve(ports.size());
  for (Port& port : ports) {
    const auto index = static_cast<uint32_t>(ports_.size());
    ports_.push_back(std::make_unique<ConsolePort>(std::move(port.host)));
    ports_.back()->Listen([this, index] { Resume(ConsoleInputQueue(index)); },
                          [this, index] { HasRoom(index); });
  }
}

Console::~Console() {
  terminal_.reset();
  MutexLock lock(mutex_);
  for (const auto& port : ports_) {
    if (port->lost() > 0) LOG(kWarning, "console", "%d bytes of output were lost", port->lost());
  }
  ports_.clear();
}

void Console::Resize(uint16_t cols, uint16_t rows) {
  {
    MutexLock lock(mutex_);
    control_.Resize(cols, rows);
  }
  if (kind_ == Kind::kLegacy) return;
  SignalConfig();
  if (kind_ == Kind::kPorts) Resume(kConsoleControlToDriver);
}

absl::Status Console::FollowTerminal(int fd) {
  ASSIGN_OR_RETURN(terminal_, TerminalSize::Watch(loop(), fd, [this](TerminalSize::Size size) {
                     Resize(size.cols, size.rows);
                   }));
  return absl::OkStatus();
}

void Console::ReadConfig(uint32_t offset, absl::Span<uint8_t> data) {
  if (kind_ == Kind::kLegacy) return;
  ConsoleConfigSpace config = {
      .max_ports =
          kind_ == Kind::kPorts ? static_cast<uint32_t>(max_queue_sizes().size() / 2 - 1) : 1};
  {
    MutexLock lock(mutex_);
    config.cols = control_.cols();
    config.rows = control_.rows();
  }
  if (offset >= sizeof(config)) return;
  const auto bytes = absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(&config), sizeof(config));
  const auto found = bytes.subspan(offset, data.size());
  std::copy(found.begin(), found.end(), data.begin());
}

// Virtio 1.2, 5.3.4: works without the feature being negotiated, and before queues are set up.
void Console::WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) {
  if (kind_ == Kind::kLegacy || data.empty()) return;
  if (offset != offsetof(ConsoleConfigSpace, emergency_write)) return;
  MutexLock lock(mutex_);
  ports_[0]->EmergencyWrite(data[0]);
}

bool Console::Accepts(uint16_t queue) {
  const bool multiport = (driver().features & kConsoleMultiport) != 0;
  MutexLock lock(mutex_);
  if (queue == kConsoleControlToDriver) return control_.HasMessage();
  if (queue == kConsoleControlToDevice) return true;
  const uint32_t port = ConsolePortOf(queue);
  if (!IsConsoleInput(queue)) return Done(queue, ports_[port]->ContinueOutput());
  // What arrives at a port that nobody has open, Linux drops.
  if (multiport && !control_.open(port)) return false;
  return ports_[port]->HasInput();
}

void Console::Handle(uint16_t queue, ReadableChain chain) {
  MutexLock lock(mutex_);
  if (queue == kConsoleControlToDriver) return SendControl(std::move(chain));
  if (queue == kConsoleControlToDevice) return ReceiveControl(std::move(chain));
  ConsolePort& port = *ports_[ConsolePortOf(queue)];
  if (IsConsoleInput(queue)) return port.Input(std::move(chain));
  // Accepts comes next, and says the same.
  static_cast<void>(port.Output(std::move(chain)));
}

bool Console::Done(uint16_t queue, ConsolePort::Progress progress) {
  if (progress == ConsolePort::Progress::kGoing) Resume(queue);
  return progress == ConsolePort::Progress::kDone;
}

void Console::SendControl(ReadableChain chain) {
  WritableChain buffer = std::move(chain).IntoWritable();
  const std::string message = control_.NextMessage();
  // Buffers that are too small or outside of memory are the driver's loss.
  if (message.size() <= buffer.writable()) {
    buffer
        .Write(
            absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(message.data()), message.size()))
        .IgnoreError();
  }
  std::move(buffer).Complete();
}

void Console::ReceiveControl(ReadableChain chain) {
  if (const absl::StatusOr<ConsoleMessage> message = chain.ReadObject<ConsoleMessage>();
      message.ok()) {
    control_.Receive(*message);
    if (message->port < ports_.size()) Resume(ConsoleInputQueue(message->port));
    Resume(kConsoleControlToDriver);
  }
  std::move(chain).Complete();
}

void Console::HasRoom(uint32_t port) {
  {
    MutexLock lock(mutex_);
    ports_[port]->WriteCarried();
  }
  Resume(ConsoleOutputQueue(port));
}

void Console::Drain(uint16_t queue) {
  if (IsConsoleControlQueue(queue) || IsConsoleInput(queue)) return;
  MutexLock lock(mutex_);
  ports_[ConsolePortOf(queue)]->ReleaseChain();
  ports_[ConsolePortOf(queue)]->WriteCarried();
}

void Console::OnReset() {
  MutexLock lock(mutex_);
  control_.Reset();
}

absl::StatusOr<std::string> Console::Save() {
  MutexLock lock(mutex_);
  ConsoleState state;
  state.set_version(kStateVersion);
  for (const auto& port : ports_) port->Save(*state.add_port());
  control_.Save(state);
  return state.SerializeAsString();
}

absl::Status Console::Restore(absl::string_view state) {
  ConsoleState parsed;
  if (state.size() > kMaxStateSize ||
      !parsed.ParseFromArray(state.data(), static_cast<int>(state.size())) ||
      parsed.version() != kStateVersion || Canonical(parsed) != state) {
    return absl::InvalidArgumentError("not the state of a console");
  }
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(control_.Check(parsed));
  for (const ConsolePortState& port : parsed.port()) RETURN_IF_ERROR(ConsolePort::Check(port));
  for (size_t i = 0; i < ports_.size(); ++i) {
    ports_[i]->Restore(parsed.port(static_cast<int>(i)));
  }
  control_.Restore(parsed);
  return absl::OkStatus();
}

}  // namespace touchstone
