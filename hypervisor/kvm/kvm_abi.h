// <linux/kvm.h> with the layouts that C has. Everything here includes this instead.
//
// The flexible arrays of Linux 6.1's headers start with an empty struct, which is one byte long in
// C++: variable-length structs grow, and with them the request numbers, which encode their sizes.
// Later kernels' headers define the macro for C++ as it is here.

#ifndef TOUCHSTONE_HYPERVISOR_KVM_KVM_ABI_H_
#define TOUCHSTONE_HYPERVISOR_KVM_KVM_ABI_H_

#include <linux/stddef.h>

#undef __DECLARE_FLEX_ARRAY
#define __DECLARE_FLEX_ARRAY(TYPE, NAME) TYPE NAME[0]  // NOLINT(bugprone-reserved-identifier)

#include <linux/kvm.h>

static_assert(sizeof(kvm_msrs) == 8);
static_assert(sizeof(kvm_msr_list) == 4);
static_assert(sizeof(kvm_cpuid2) == 8);
static_assert(sizeof(kvm_irq_routing) == 8);
static_assert(sizeof(kvm_xsave) == 4096);

#endif  // TOUCHSTONE_HYPERVISOR_KVM_KVM_ABI_H_
