// The registers of virtio over PCI (Virtio 1.2, 4.1.4).
//
// BAR 0, 32 KiB of memory:
//
//   0x0000  common configuration, 60 bytes     0x3000  notification: queue n at 4 n, 4 KiB
//   0x1000  ISR status, 1 byte                 0x6000  MSI-X table
//   0x2000  device configuration, 4 KiB        0x7000  MSI-X pending bits
//
// Common configuration:
//
//   0x00 device_feature_select   0x04 device_feature   0x08 driver_feature_select
//   0x0C driver_feature          0x10 config_msix_vector 2 | num_queues 2
//   0x14 status 1 | config_generation 1 | queue_select 2
//   0x18 queue_size 2 | queue_msix_vector 2            0x1C queue_enable 2 | queue_notify_off 2
//   0x20 queue_desc 8            0x28 queue_driver 8   0x30 queue_device 8
//   0x38 queue_notify_data 2 | queue_reset 2

#ifndef TOUCHSTONE_DEVICES_VIRTIO_PCI_VIRTIO_PCI_REGISTERS_H_
#define TOUCHSTONE_DEVICES_VIRTIO_PCI_VIRTIO_PCI_REGISTERS_H_

#include <cstdint>

#include "devices/virtio/core/virtio_status.h"

namespace touchstone {

// --- BAR 0.
inline constexpr uint32_t kVirtioBarSize = 0x8000;
inline constexpr uint32_t kVirtioCommon = 0x0000;
inline constexpr uint32_t kVirtioCommonSize = 60;
inline constexpr uint32_t kVirtioIsr = 0x1000;
inline constexpr uint32_t kVirtioIsrSize = 1;
inline constexpr uint32_t kVirtioConfig = 0x2000;
inline constexpr uint32_t kVirtioConfigSize = 0x1000;
inline constexpr uint32_t kVirtioNotify = 0x3000;
inline constexpr uint32_t kVirtioNotifySize = 0x1000;
inline constexpr uint32_t kVirtioNotifyMultiplier = 4;
inline constexpr uint32_t kVirtioMsixTable = 0x6000;
inline constexpr uint32_t kVirtioMsixPending = 0x7000;
// What the areas above have room for.
inline constexpr uint32_t kVirtioMaxQueues = kVirtioNotifySize / kVirtioNotifyMultiplier;
inline constexpr uint32_t kVirtioMaxVectors = 256;

// --- Common configuration (Virtio 1.2, 4.1.4.3).
inline constexpr uint32_t kVirtioDeviceFeatureSelect = 0x00;
inline constexpr uint32_t kVirtioDeviceFeature = 0x04;
inline constexpr uint32_t kVirtioDriverFeatureSelect = 0x08;
inline constexpr uint32_t kVirtioDriverFeature = 0x0C;
inline constexpr uint32_t kVirtioConfigVector = 0x10;
inline constexpr uint32_t kVirtioQueueCount = 0x12;
inline constexpr uint32_t kVirtioStatus = 0x14;
inline constexpr uint32_t kVirtioConfigGeneration = 0x15;
inline constexpr uint32_t kVirtioQueueSelect = 0x16;
inline constexpr uint32_t kVirtioQueueSize = 0x18;
inline constexpr uint32_t kVirtioQueueVector = 0x1A;
inline constexpr uint32_t kVirtioQueueEnable = 0x1C;
inline constexpr uint32_t kVirtioQueueNotifyOffset = 0x1E;
inline constexpr uint32_t kVirtioQueueDescriptors = 0x20;
inline constexpr uint32_t kVirtioQueueDriver = 0x28;
inline constexpr uint32_t kVirtioQueueDevice = 0x30;
inline constexpr uint32_t kVirtioQueueNotifyData = 0x38;
inline constexpr uint32_t kVirtioQueueReset = 0x3A;

inline constexpr uint16_t kVirtioNoVector = 0xFFFF;

// --- ISR status (Virtio 1.2, 4.1.4.5).
inline constexpr uint8_t kVirtioIsrQueue = 1 << 0;
inline constexpr uint8_t kVirtioIsrConfig = 1 << 1;

// --- Capabilities (Virtio 1.2, 4.1.4); offsets from the capability's start.
inline constexpr uint8_t kVirtioCapabilityCommon = 1;
inline constexpr uint8_t kVirtioCapabilityNotify = 2;
inline constexpr uint8_t kVirtioCapabilityIsr = 3;
inline constexpr uint8_t kVirtioCapabilityDevice = 4;
inline constexpr uint8_t kVirtioCapabilityPciConfig = 5;
inline constexpr uint8_t kVirtioCapabilitySharedMemory = 8;
inline constexpr uint32_t kVirtioCapabilityLengthOfAll = 2;
inline constexpr uint32_t kVirtioCapabilityType = 3;
inline constexpr uint32_t kVirtioCapabilityBar = 4;
inline constexpr uint32_t kVirtioCapabilityId = 5;
inline constexpr uint32_t kVirtioCapabilityOffset = 8;
inline constexpr uint32_t kVirtioCapabilityLength = 12;
inline constexpr uint32_t kVirtioCapabilityData = 16;        // Of the PCI configuration access.
inline constexpr uint32_t kVirtioCapabilityOffsetHigh = 16;  // Of shared memory, as the next.
inline constexpr uint32_t kVirtioCapabilityLengthHigh = 20;
inline constexpr uint32_t kVirtioCapability64Size = 24;

inline constexpr uint16_t kVirtioPciVendor = 0x1AF4;
inline constexpr uint16_t kVirtioPciDevice = 0x1040;  // Plus the device id.

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_PCI_VIRTIO_PCI_REGISTERS_H_
