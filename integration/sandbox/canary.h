// Secrets of the machine's main process, and a search for them in the memory of its children.
//
// What is searched for must not be found in the searcher's own constants, so only its complement is
// there.

#ifndef TOUCHSTONE_INTEGRATION_SANDBOX_CANARY_H_
#define TOUCHSTONE_INTEGRATION_SANDBOX_CANARY_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace touchstone {

// Where the main process has each; kControl is the searcher's own.
enum class Canary : uint8_t { kHeap = 1, kStack = 2, kEnvironment = 3, kControl = 4 };

inline constexpr size_t kCanarySize = 32;
// The environment variable.
inline constexpr char kCanaryVariable[] = "TOUCHSTONE_CANARY";

// Volatile, so that no compiler computes a canary in advance.
inline const volatile uint8_t kCanaryComplement[kCanarySize] = {
    0x91, 0x8A, 0x8D, 0x9E, 0x93, 0x93, 0x86, 0xD2, 0x8D, 0x9A, 0x9B, 0xD2, 0x9D, 0x96, 0x8D, 0x9B,
    0xD2, 0x90, 0x99, 0xD2, 0x8B, 0x97, 0x9A, 0xD2, 0x92, 0x90, 0x90, 0x91, 0xD2, 0x88, 0x9A, 0x8C};

inline uint8_t CanaryByte(Canary canary, size_t index) {
  // Letters, since one is in an environment.
  const auto plain = static_cast<uint8_t>(~kCanaryComplement[index]);
  return index == kCanarySize - 1 ? static_cast<uint8_t>('0' + static_cast<uint8_t>(canary))
                                  : plain;
}

// `size` bytes at `at` begin with it.
inline bool IsCanary(Canary canary, const uint8_t* at) {
  for (size_t i = 0; i < kCanarySize; ++i) {
    if (at[i] != CanaryByte(canary, i)) return false;
  }
  return true;
}

inline void WriteCanary(Canary canary, char* to) {
  for (size_t i = 0; i < kCanarySize; ++i) to[i] = static_cast<char>(CanaryByte(canary, i));
}

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_SANDBOX_CANARY_H_
