// Copies to and from memory that the guest writes at the same time.
//
// Each guest byte is accessed once: the compiler may neither read it again nor assume that it still
// has its value. 1, 2, 4 and 8 naturally aligned bytes are one access of that size. Under
// ThreadSanitizer every guest access is a relaxed atomic, since racing with the guest is allowed
// here.

#ifndef TOUCHSTONE_BASE_MEMORY_GUEST_COPY_H_
#define TOUCHSTONE_BASE_MEMORY_GUEST_COPY_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace touchstone::internal {

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TOUCHSTONE_GUEST_COPY_BY_WORD 1
#endif
#endif

template <typename T>
inline bool IsAlignedFor(const uint8_t* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % sizeof(T) == 0;
}

template <typename T>
inline void LoadOnce(uint8_t* destination, const uint8_t* guest) {
  typedef T Word __attribute__((may_alias));
  const T value = __atomic_load_n(reinterpret_cast<const Word*>(guest), __ATOMIC_RELAXED);
  memcpy(destination, &value, sizeof(T));
}

template <typename T>
inline void StoreOnce(uint8_t* guest, const uint8_t* source) {
  typedef T Word __attribute__((may_alias));
  T value;
  memcpy(&value, source, sizeof(T));
  __atomic_store_n(reinterpret_cast<Word*>(guest), value, __ATOMIC_RELAXED);
}

// What memcpy read is what later code sees: after this the compiler must assume that all of memory
// changed.
inline void CompilerBarrier() { asm volatile("" ::: "memory"); }

// Calls word(i) for each 8-aligned word of `guest` and byte(i) for what is left at both ends.
template <typename ByteFn, typename WordFn>
inline void ByWord(const uint8_t* guest, size_t size, ByteFn byte, WordFn word) {
  size_t i = 0;
  for (; i < size && !IsAlignedFor<uint64_t>(guest + i); ++i) byte(i);
  for (; size - i >= 8; i += 8) word(i);
  for (; i < size; ++i) byte(i);
}

inline void CopyFromGuest(uint8_t* destination, const uint8_t* guest, size_t size) {
  if (size == 8 && IsAlignedFor<uint64_t>(guest)) return LoadOnce<uint64_t>(destination, guest);
  if (size == 16 && IsAlignedFor<uint64_t>(guest)) {  // A descriptor, kept in registers.
    LoadOnce<uint64_t>(destination, guest);
    return LoadOnce<uint64_t>(destination + 8, guest + 8);
  }
  if (size == 4 && IsAlignedFor<uint32_t>(guest)) return LoadOnce<uint32_t>(destination, guest);
  if (size == 2 && IsAlignedFor<uint16_t>(guest)) return LoadOnce<uint16_t>(destination, guest);
  if (size == 1) return LoadOnce<uint8_t>(destination, guest);
#ifdef TOUCHSTONE_GUEST_COPY_BY_WORD
  ByWord(
      guest, size, [&](size_t i) { LoadOnce<uint8_t>(destination + i, guest + i); },
      [&](size_t i) { LoadOnce<uint64_t>(destination + i, guest + i); });
#else
  CompilerBarrier();
  memcpy(destination, guest, size);
  CompilerBarrier();
#endif
}

inline void CopyToGuest(uint8_t* guest, const uint8_t* source, size_t size) {
  if (size == 8 && IsAlignedFor<uint64_t>(guest)) return StoreOnce<uint64_t>(guest, source);
  if (size == 4 && IsAlignedFor<uint32_t>(guest)) return StoreOnce<uint32_t>(guest, source);
  if (size == 2 && IsAlignedFor<uint16_t>(guest)) return StoreOnce<uint16_t>(guest, source);
  if (size == 1) return StoreOnce<uint8_t>(guest, source);
#ifdef TOUCHSTONE_GUEST_COPY_BY_WORD
  ByWord(
      guest, size, [&](size_t i) { StoreOnce<uint8_t>(guest + i, source + i); },
      [&](size_t i) { StoreOnce<uint64_t>(guest + i, source + i); });
#else
  CompilerBarrier();
  memcpy(guest, source, size);
  CompilerBarrier();
#endif
}

// An object to where the alignment is known.
template <size_t kAlignment, typename T>
inline void CopyToGuest(uint8_t* guest, const T& object) {
  const uint8_t* const source = reinterpret_cast<const uint8_t*>(&object);
#ifndef TOUCHSTONE_GUEST_COPY_BY_WORD
  if constexpr (kAlignment < sizeof(T)) {
    CompilerBarrier();
    memcpy(guest, source, sizeof(T));
    return CompilerBarrier();
  }
#endif
  CopyToGuest(guest, source, sizeof(T));
}

inline void FillGuest(uint8_t* guest, uint8_t value, size_t size) {
#ifdef TOUCHSTONE_GUEST_COPY_BY_WORD
  uint8_t pattern[8];
  memset(pattern, value, sizeof(pattern));
  ByWord(
      guest, size, [&](size_t i) { StoreOnce<uint8_t>(guest + i, pattern); },
      [&](size_t i) { StoreOnce<uint64_t>(guest + i, pattern); });
#else
  memset(guest, value, size);
  CompilerBarrier();
#endif
}

#undef TOUCHSTONE_GUEST_COPY_BY_WORD

}  // namespace touchstone::internal

#endif  // TOUCHSTONE_BASE_MEMORY_GUEST_COPY_H_
