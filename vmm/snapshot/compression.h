// Chunks of memory as Zstandard frames (RFC 8878), one a chunk.
//
// Thread-compatible.

#ifndef TOUCHSTONE_VMM_SNAPSHOT_COMPRESSION_H_
#define TOUCHSTONE_VMM_SNAPSHOT_COMPRESSION_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

extern "C" {
struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;
}

namespace touchstone {

class Compressor {
 public:
  // ResourceExhausted when there is no memory for it.
  static absl::StatusOr<std::unique_ptr<Compressor>> Create();

  // The frame is valid until the next call. Fast rather than small: the machine stands still.
  absl::StatusOr<absl::Span<const uint8_t>> Compress(absl::Span<const uint8_t> bytes);

 private:
  struct Deleter {
    void operator()(ZSTD_CCtx_s* context) const;
  };

  Compressor() = default;

  std::unique_ptr<ZSTD_CCtx_s, Deleter> context_;
  std::vector<uint8_t> frame_;
};

class Decompressor {
 public:
  static absl::StatusOr<std::unique_ptr<Decompressor>> Create();

  // Fills `bytes` from a frame that holds just so many; DataLoss when it does not. The frame may be
  // anything.
  absl::Status Decompress(absl::Span<const uint8_t> frame, absl::Span<uint8_t> bytes);

 private:
  struct Deleter {
    void operator()(ZSTD_DCtx_s* context) const;
  };

  Decompressor() = default;

  std::unique_ptr<ZSTD_DCtx_s, Deleter> context_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_SNAPSHOT_COMPRESSION_H_
