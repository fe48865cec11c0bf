#include "devices/platform/serial/serial.h"

namespace touchstone {
namespace {

// The bits of FCR that are kept; the clear bits act once.
constexpr uint8_t kFcrKept = kFcrEnable | kFcrDmaMode | kFcrTriggerMask;

}  // namespace

Serial::Serial(SerialOutput& output, SerialInput& input, IrqLine& irq)
    : output_(output), input_(input), irq_(irq) {
  output_.OnReady([this] { OutputReady(); });
}

Serial::~Serial() {
  output_.OnReady(nullptr);
  input_.OnBytes(nullptr);
}

void Serial::Read(uint64_t offset, absl::Span<uint8_t> data) {
  if (offset >= kSerialPortCount) return;
  MutexLock lock(mutex_);
  for (size_t i = 0; i < data.size() && offset + i < kSerialPortCount; ++i) {
    data[i] = ReadRegister(offset + i);
  }
  UpdateIrq();
}

void Serial::Write(uint64_t offset, absl::Span<const uint8_t> data) {
  if (offset >= kSerialPortCount) return;
  MutexLock lock(mutex_);
  for (size_t i = 0; i < data.size() && offset + i < kSerialPortCount; ++i) {
    WriteRegister(offset + i, data[i]);
  }
  UpdateIrq();
}

uint8_t Serial::ReadRegister(uint64_t offset) {
  const bool divisor = (line_control_ & kLcrDivisor) != 0;
  switch (offset) {
    case kSerialRbr:
      return divisor ? divisor_ & 0xff : ReadReceive();
    case kSerialIer:
      return divisor ? divisor_ >> 8 : interrupt_enable_;
    case kSerialIir:
      return ReadInterruptId();
    case kSerialLcr:
      return line_control_;
    case kSerialMcr:
      return modem_control_;
    case kSerialLsr:
      return ReadLineStatus();
    case kSerialMsr:
      return ReadModemStatus();
    default:
      return scratch_;
  }
}

void Serial::WriteRegister(uint64_t offset, uint8_t value) {
  const bool divisor = (line_control_ & kLcrDivisor) != 0;
  idle_polls_ = 0;
  switch (offset) {
    case kSerialThr:
      if (divisor) {
        divisor_ = static_cast<uint16_t>((divisor_ & 0xff00) | value);
      } else {
        WriteTransmit(value);
      }
      return;
    case kSerialIer:
      if (divisor) {
        divisor_ = static_cast<uint16_t>((divisor_ & 0xff) | (value << 8));
      } else {
        WriteInterruptEnable(value);
      }
      return;
    case kSerialFcr:
      return WriteFifoControl(value);
    case kSerialLcr:
      line_control_ = value;
      return;
    case kSerialMcr:
      return WriteModemControl(value);
    case kSerialScr:
      scratch_ = value;
      return;
    default:
      // LSR and MSR are for reading; their writes are a factory's test (PC16550D 8.6.3, 8.8).
      return;
  }
}

uint8_t Serial::ReadReceive() {
  if (received_.size == 0) return 0;
  const uint8_t byte = received_.Pop();
  if (looped_ > 0) --looped_;
  Fill();
  return byte;
}

// PC16550D 8.5: reading IIR freezes nothing here, but it acknowledges the THR-empty interrupt when
// that is what it names.
uint8_t Serial::ReadInterruptId() {
  const uint8_t pending = PendingInterrupt();
  if (pending == kIirTransmit) transmit_interrupt_ = false;
  return pending | (fifos_on() ? kIirFifo : 0);
}

uint8_t Serial::ReadLineStatus() {
  uint8_t status = 0;
  if (transmitter_ready_ || loopback()) status |= kLsrTransmitEmpty | kLsrTransmitterIdle;
  if (received_.size == 0 && status != 0 && !listening_ && ++idle_polls_ >= kPollsToListen) {
    idle_polls_ = 0;
    listening_ = true;
    Fill();
  }
  if (received_.size > 0) status |= kLsrDataReady;
  if (overrun_) status |= kLsrOverrun;
  overrun_ = false;
  return status;
}

uint8_t Serial::ReadModemStatus() {
  const uint8_t status = modem_inputs() | modem_deltas_;
  modem_deltas_ = 0;
  return status;
}

void Serial::WriteTransmit(uint8_t value) {
  transmit_interrupt_ = false;
  if (!loopback()) {
    transmitter_ready_ = output_.Write(absl::MakeConstSpan(&value, 1));
    transmit_interrupt_ = transmitter_ready_;
    return;
  }
  transmit_interrupt_ = true;
  if (received_.size < receive_capacity()) {
    received_.Push(value);
    ++looped_;
    return;
  }
  // PC16550D 8.6.3: an overrun with FIFOs on loses the new byte; without, the old one.
  overrun_ = true;
  if (!fifos_on()) {
    received_.Pop();
    received_.Push(value);
  }
}

void Serial::WriteInterruptEnable(uint8_t value) {
  value &= kIerMask;
  const uint8_t turned_on = value & ~interrupt_enable_;
  interrupt_enable_ = value;
  // Enabling the interrupt with THR empty raises it; Linux tests for exactly that.
  if ((turned_on & kIerTransmit) != 0 && (transmitter_ready_ || loopback())) {
    transmit_interrupt_ = true;
  }
  Fill();
}

// PC16550D 8.4.
void Serial::WriteFifoControl(uint8_t value) {
  // Bits 1 to 7 are programmed only when bit 0 is 1, and turning the FIFOs on or off empties them.
  const bool on = (value & kFcrEnable) != 0;
  const bool turned = on != fifos_on();
  fifo_control_ = on ? value & kFcrKept : 0;
  if (turned || (on && (value & kFcrClearReceive) != 0)) {
    for (; looped_ > 0; --looped_) received_.Pop();
    GiveBack();
    // Whoever does this is a driver that starts; a poller has to show itself anew.
    listening_ = false;
    Fill();
  }
  // The transmit FIFO is always empty: clearing it does nothing.
}

void Serial::WriteModemControl(uint8_t value) {
  const uint8_t before = modem_inputs();
  modem_control_ = value & kMcrMask;
  const uint8_t after = modem_inputs();
  const uint8_t changed = before ^ after;
  if ((changed & kMsrCts) != 0) modem_deltas_ |= kMsrDeltaCts;
  if ((changed & kMsrDsr) != 0) modem_deltas_ |= kMsrDeltaDsr;
  if ((changed & kMsrDcd) != 0) modem_deltas_ |= kMsrDeltaDcd;
  if ((changed & before & kMsrRi) != 0) modem_deltas_ |= kMsrTrailingRi;
  Fill();
}

bool Serial::fifos_on() const { return (fifo_control_ & kFcrEnable) != 0; }

bool Serial::loopback() const { return (modem_control_ & kMcrLoop) != 0; }

// In loopback the serial input is disconnected (PC16550D 8.7).
bool Serial::receiver_open() const {
  return !loopback() && (listening_ || (interrupt_enable_ & kIerReceive) != 0);
}

size_t Serial::receive_capacity() const { return fifos_on() ? kSerialFifoSize : 1; }

// PC16550D 8.7: in loopback the four modem outputs are the modem inputs.
uint8_t Serial::modem_inputs() const {
  if (!loopback()) return kSerialModemInputs;
  uint8_t inputs = 0;
  if ((modem_control_ & kMcrRts) != 0) inputs |= kMsrCts;
  if ((modem_control_ & kMcrDtr) != 0) inputs |= kMsrDsr;
  if ((modem_control_ & kMcrOut1) != 0) inputs |= kMsrRi;
  if ((modem_control_ & kMcrOut2) != 0) inputs |= kMsrDcd;
  return inputs;
}

// PC16550D table V: the order of priorities.
uint8_t Serial::PendingInterrupt() const {
  if ((interrupt_enable_ & kIerLineStatus) != 0 && overrun_) return kIirLineStatus;
  if ((interrupt_enable_ & kIerReceive) != 0 && received_.size > 0) {
    const uint8_t trigger =
        kSerialTriggerLevels[(fifo_control_ & kFcrTriggerMask) >> kFcrTriggerShift];
    return !fifos_on() || received_.size >= trigger ? kIirReceive : kIirCharTimeout;
  }
  if ((interrupt_enable_ & kIerTransmit) != 0 && transmit_interrupt_) return kIirTransmit;
  if ((interrupt_enable_ & kIerModem) != 0 && modem_deltas_ != 0) return kIirModem;
  return kIirNone;
}

void Serial::GiveBack() {
  if (received_.size == looped_) return;
  Fifo looped;
  while (looped.size < looped_) looped.Push(received_.Pop());
  uint8_t bytes[kSerialFifoSize];
  const size_t count = received_.size;
  for (size_t i = 0; i < count; ++i) bytes[i] = received_.Pop();
  received_ = looped;
  input_.Unread(absl::MakeConstSpan(bytes, count));
}

void Serial::Fill() {
  if (!receiver_open()) {
    GiveBack();
    return;
  }
  if (!input_begun_) {
    input_begun_ = true;
    input_.OnBytes([this] { InputArrived(); });
  }
  uint8_t bytes[kSerialFifoSize];
  const size_t room = receive_capacity() - received_.size;
  const size_t count = room > 0 ? input_.Read(absl::MakeSpan(bytes, room)) : 0;
  for (size_t i = 0; i < count; ++i) received_.Push(bytes[i]);
}

void Serial::UpdateIrq() {
  const bool level = PendingInterrupt() != kIirNone;
  if (level == irq_level_) return;
  irq_level_ = level;
  irq_.Set(level);
}

void Serial::InputArrived() {
  MutexLock lock(mutex_);
  Fill();
  UpdateIrq();
}

void Serial::OutputReady() {
  MutexLock lock(mutex_);
  // Asked anew: bytes may have been written since the callback was decided on.
  if (transmitter_ready_ || !output_.Ready()) return;
  transmitter_ready_ = true;
  if (!loopback()) transmit_interrupt_ = true;
  UpdateIrq();
}

SerialState Serial::Save() const {
  MutexLock lock(mutex_);
  SerialState state;
  state.interrupt_enable = interrupt_enable_;
  state.fifo_control = fifo_control_;
  state.line_control = line_control_;
  state.modem_control = modem_control_;
  state.modem_deltas = modem_deltas_;
  state.scratch = scratch_;
  state.divisor = divisor_;
  state.overrun = overrun_;
  // A transmitter that waits for the host is done as far as the next host is concerned.
  state.transmit_interrupt = transmit_interrupt_ || !transmitter_ready_;
  state.listening = listening_;
  state.idle_polls = idle_polls_;
  Fifo received = received_;
  while (received.size > 0) state.received.push_back(received.Pop());
  state.looped = static_cast<uint8_t>(looped_);
  return state;
}

absl::Status Serial::Restore(const SerialState& state) {
  const size_t capacity = (state.fifo_control & kFcrEnable) != 0 ? kSerialFifoSize : 1;
  const bool fifo_control_possible =
      (state.fifo_control & ~kFcrKept) == 0 &&
      (state.fifo_control == 0 || (state.fifo_control & kFcrEnable) != 0);
  const bool open = (state.modem_control & kMcrLoop) == 0 &&
                    (state.listening || (state.interrupt_enable & kIerReceive) != 0);
  if ((state.interrupt_enable & ~kIerMask) != 0 || (state.modem_control & ~kMcrMask) != 0 ||
      (state.modem_deltas & ~kMsrDeltas) != 0 || !fifo_control_possible ||
      state.received.size() > capacity || state.looped > state.received.size() ||
      (!open && state.looped < state.received.size()) || state.idle_polls >= kPollsToListen) {
    return absl::InvalidArgumentError("serial: the saved registers hold impossible values");
  }
  MutexLock lock(mutex_);
  interrupt_enable_ = state.interrupt_enable;
  fifo_control_ = state.fifo_control;
  line_control_ = state.line_control;
  modem_control_ = state.modem_control;
  modem_deltas_ = state.modem_deltas;
  scratch_ = state.scratch;
  divisor_ = state.divisor;
  overrun_ = state.overrun;
  transmitter_ready_ = output_.Ready();
  transmit_interrupt_ = state.transmit_interrupt && transmitter_ready_;
  listening_ = state.listening;
  idle_polls_ = state.idle_polls;
  received_ = Fifo();
  for (const uint8_t byte : state.received) received_.Push(byte);
  looped_ = state.looped;
  Fill();
  UpdateIrq();
  return absl::OkStatus();
}

}  // namespace touchstone
