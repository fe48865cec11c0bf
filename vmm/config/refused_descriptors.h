// The schema of the refused options, as a FileDescriptorSet made by the build.

#ifndef TOUCHSTONE_VMM_CONFIG_REFUSED_DESCRIPTORS_H_
#define TOUCHSTONE_VMM_CONFIG_REFUSED_DESCRIPTORS_H_

#include <cstddef>

namespace touchstone {

extern const unsigned char kRefusedDescriptors[];
extern const size_t kRefusedDescriptorsSize;

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_REFUSED_DESCRIPTORS_H_
