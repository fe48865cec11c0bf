#include "vmm/machine/platform_state.h"

#include <algorithm>
#include <string>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "vmm/machine/narrow.h"

namespace touchstone {
namespace {

template <typename Bytes>
std::string BytesOf(const Bytes& bytes) {
  return std::string(bytes.begin(), bytes.end());
}

// Phases of a PIT counter are numbered alike.
static_assert(static_cast<int>(PitCounterState::Phase::kIdle) == PitCounterSaved::IDLE);
static_assert(static_cast<int>(PitCounterState::Phase::kRunning) == PitCounterSaved::RUNNING);
static_assert(static_cast<int>(PitCounterState::Phase::kFrozen) == PitCounterSaved::FROZEN);

}  // namespace

void SaveTo(const SerialState& state, SerialSaved& saved) {
  saved.set_interrupt_enable(state.interrupt_enable);
  saved.set_fifo_control(state.fifo_control);
  saved.set_line_control(state.line_control);
  saved.set_modem_control(state.modem_control);
  saved.set_modem_deltas(state.modem_deltas);
  saved.set_scratch(state.scratch);
  saved.set_divisor(state.divisor);
  saved.set_overrun(state.overrun);
  saved.set_transmit_interrupt(state.transmit_interrupt);
  saved.set_listening(state.listening);
  saved.set_idle_polls(state.idle_polls);
  saved.set_received(BytesOf(state.received));
  saved.set_looped(state.looped);
}

absl::StatusOr<SerialState> ReadFrom(const SerialSaved& saved) {
  Narrow narrow;
  SerialState state = {.overrun = saved.overrun(),
                       .transmit_interrupt = saved.transmit_interrupt(),
                       .listening = saved.listening(),
                       .received = {saved.received().begin(), saved.received().end()}};
  narrow("IER", saved.interrupt_enable(), state.interrupt_enable);
  narrow("FCR", saved.fifo_control(), state.fifo_control);
  narrow("LCR", saved.line_control(), state.line_control);
  narrow("MCR", saved.modem_control(), state.modem_control);
  narrow("MSR", saved.modem_deltas(), state.modem_deltas);
  narrow("SCR", saved.scratch(), state.scratch);
  narrow("divisor", saved.divisor(), state.divisor);
  narrow("polls", saved.idle_polls(), state.idle_polls);
  narrow("looped", saved.looped(), state.looped);
  RETURN_IF_ERROR(narrow.status());
  return state;
}

void SaveTo(const AcpiPmState& state, AcpiPmSaved& saved) {
  saved.set_status(state.status);
  saved.set_enable(state.enable);
  saved.set_control(state.control);
  saved.set_timer(state.timer);
  saved.set_sleeping(state.sleeping);
  saved.set_idle(state.idle);
  saved.set_gpe_status(BytesOf(state.gpe_status));
  saved.set_gpe_enable(BytesOf(state.gpe_enable));
}

absl::StatusOr<AcpiPmState> ReadFrom(const AcpiPmSaved& saved) {
  Narrow narrow;
  AcpiPmState state = {.timer = saved.timer(), .sleeping = saved.sleeping(), .idle = saved.idle()};
  narrow("PM1 status", saved.status(), state.status);
  narrow("PM1 enable", saved.enable(), state.enable);
  narrow("PM1 control", saved.control(), state.control);
  narrow("GPE0 status", saved.gpe_status(), state.gpe_status);
  narrow("GPE0 enable", saved.gpe_enable(), state.gpe_enable);
  RETURN_IF_ERROR(narrow.status());
  return state;
}

void SaveTo(const RtcState& state, RtcSaved& saved) {
  saved.set_index(state.index);
  saved.set_registers(BytesOf(state.registers));
  saved.set_flags(state.flags);
  saved.set_offset_ns(absl::ToInt64Nanoseconds(state.offset));
  saved.set_checked_unix_ns(absl::ToUnixNanos(state.checked));
  saved.set_time_written(state.time_written);
  saved.set_divider_was_reset(state.divider_was_reset);
}

absl::StatusOr<RtcState> ReadFrom(const RtcSaved& saved) {
  Narrow narrow;
  RtcState state = {.offset = absl::Nanoseconds(saved.offset_ns()),
                    .checked = absl::FromUnixNanos(saved.checked_unix_ns()),
                    .time_written = saved.time_written(),
                    .divider_was_reset = saved.divider_was_reset()};
  narrow("index", saved.index(), state.index);
  narrow("registers", saved.registers(), state.registers);
  narrow("flags", saved.flags(), state.flags);
  RETURN_IF_ERROR(narrow.status());
  return state;
}

void SaveTo(const FwCfg::State& state, FwCfgSaved& saved) {
  saved.set_selector(state.selector);
  saved.set_position(state.position);
}

absl::StatusOr<FwCfg::State> ReadFrom(const FwCfgSaved& saved) {
  Narrow narrow;
  FwCfg::State state = {.position = saved.position()};
  narrow("selector", saved.selector(), state.selector);
  RETURN_IF_ERROR(narrow.status());
  return state;
}

void SaveTo(const Flash::State& state, FlashSaved& saved) {
  saved.set_mode(static_cast<uint32_t>(state.mode));
  saved.set_status(state.status);
}

absl::StatusOr<Flash::State> ReadFrom(const FlashSaved& saved) {
  Narrow narrow;
  uint8_t mode = 0;
  Flash::State state;
  narrow("mode", saved.mode(), mode);
  narrow("status", saved.status(), state.status);
  RETURN_IF_ERROR(narrow.status());
  state.mode = static_cast<Flash::Mode>(mode);
  return state;
}

void SaveTo(const PicChipState& state, PicChipSaved& saved) {
  saved.set_inputs(state.inputs);
  saved.set_edges(state.edges);
  saved.set_in_service(state.in_service);
  saved.set_mask(state.mask);
  saved.set_level(state.level);
  saved.set_vector(state.vector);
  saved.set_lowest(state.lowest);
  saved.set_next_icw(state.next_icw);
  saved.set_icw4_follows(state.icw4_follows);
  saved.set_all_level(state.all_level);
  saved.set_single(state.single);
  saved.set_auto_eoi(state.auto_eoi);
  saved.set_auto_rotate(state.auto_rotate);
  saved.set_fully_nested(state.fully_nested);
  saved.set_special_mask(state.special_mask);
  saved.set_read_in_service(state.read_in_service);
  saved.set_poll(state.poll);
}

absl::StatusOr<PicChipState> ReadFrom(const PicChipSaved& saved) {
  Narrow narrow;
  PicChipState state = {.icw4_follows = saved.icw4_follows(),
                        .all_level = saved.all_level(),
                        .single = saved.single(),
                        .auto_eoi = saved.auto_eoi(),
                        .auto_rotate = saved.auto_rotate(),
                        .fully_nested = saved.fully_nested(),
                        .special_mask = saved.special_mask(),
                        .read_in_service = saved.read_in_service(),
                        .poll = saved.poll()};
  narrow("inputs", saved.inputs(), state.inputs);
  narrow("edges", saved.edges(), state.edges);
  narrow("ISR", saved.in_service(), state.in_service);
  narrow("IMR", saved.mask(), state.mask);
  narrow("triggers", saved.level(), state.level);
  narrow("vector", saved.vector(), state.vector);
  narrow("priority", saved.lowest(), state.lowest);
  narrow("ICW", saved.next_icw(), state.next_icw);
  RETURN_IF_ERROR(narrow.status());
  return state;
}

void SaveTo(const IoapicState& state, IoapicSaved& saved) {
  saved.set_select(state.select);
  saved.set_id(state.id);
  saved.set_inputs(state.inputs);
  for (const uint64_t entry : state.entries) saved.add_entries(entry);
}

absl::StatusOr<IoapicState> ReadFrom(const IoapicSaved& saved) {
  Narrow narrow;
  IoapicState state = {.inputs = saved.inputs()};
  narrow("select", saved.select(), state.select);
  narrow("id", saved.id(), state.id);
  if (saved.entries_size() != static_cast<int>(state.entries.size())) {
    narrow.Refuse(absl::StrCat(saved.entries_size(), " entries"));
  } else {
    absl::c_copy(saved.entries(), state.entries.begin());
  }
  RETURN_IF_ERROR(narrow.status());
  return state;
}

void SaveTo(const PitCounterState& state, PitCounterSaved& saved) {
  saved.set_mode(state.mode);
  saved.set_access(state.access);
  saved.set_bcd(state.bcd);
  saved.set_gate(state.gate);
  saved.set_phase(static_cast<PitCounterSaved::Phase>(state.phase));
  saved.set_start(state.start);
  saved.set_elapsed(state.elapsed);
  saved.set_initial(state.initial);
  saved.set_held(state.held);
  saved.set_count(state.count);
  saved.set_fresh(state.fresh);
  saved.set_first_half(state.first_half);
  saved.set_out_before(state.out_before);
  saved.set_write_high(state.write_high);
  saved.set_read_high(state.read_high);
  saved.set_low_byte(state.low_byte);
  if (state.latched_count.has_value()) saved.set_latched_count(*state.latched_count);
  if (state.latched_status.has_value()) saved.set_latched_status(*state.latched_status);
}

absl::StatusOr<PitCounterState> ReadFrom(const PitCounterSaved& saved) {
  Narrow narrow;
  PitCounterState state = {.bcd = saved.bcd(),
                           .gate = saved.gate(),
                           .phase = static_cast<PitCounterState::Phase>(saved.phase()),
                           .start = saved.start(),
                           .elapsed = saved.elapsed(),
                           .initial = saved.initial(),
                           .count = saved.count(),
                           .fresh = saved.fresh(),
                           .first_half = saved.first_half(),
                           .out_before = saved.out_before(),
                           .write_high = saved.write_high(),
                           .read_high = saved.read_high()};
  narrow("mode", saved.mode(), state.mode);
  narrow("access", saved.access(), state.access);
  narrow("held count", saved.held(), state.held);
  narrow("low byte", saved.low_byte(), state.low_byte);
  if (saved.has_latched_count()) {
    narrow("latched count", saved.latched_count(), state.latched_count.emplace());
  }
  if (saved.has_latched_status()) {
    narrow("latched status", saved.latched_status(), state.latched_status.emplace());
  }
  RETURN_IF_ERROR(narrow.status());
  return state;
}

}  // namespace touchstone
