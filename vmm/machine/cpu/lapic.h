// The local APIC as firmware leaves it.

#ifndef TOUCHSTONE_VMM_MACHINE_CPU_LAPIC_H_
#define TOUCHSTONE_VMM_MACHINE_CPU_LAPIC_H_

#include "hypervisor/x86_64/state.h"

namespace touchstone {

// Wires the boot processor's local interrupt pins: LINT0 takes the 8259s' interrupts, LINT1 is NMI
// (MultiProcessor specification 1.4, 3.6.2.2: virtual wire mode; what MADT and MP table say of
// LINT1). Other processors are reset by INIT before they run and need nothing. Everything else in
// `state` is left alone.
void WireLocalInterrupts(LapicState& state);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_CPU_LAPIC_H_
