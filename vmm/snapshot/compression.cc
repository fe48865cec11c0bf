#include "vmm/snapshot/compression.h"

#include <zstd.h>

#include "absl/strings/str_cat.h"

namespace touchstone {
namespace {

constexpr int kLevel = 1;

}  // namespace

void Compressor::Deleter::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }

absl::StatusOr<std::unique_ptr<Compressor>> Compressor::Create() {
  std::unique_ptr<Compressor> self(new Compressor);
  self->context_.reset(ZSTD_createCCtx());
  if (self->context_ == nullptr) return absl::ResourceExhaustedError("no memory to compress with");
  return self;
}

absl::StatusOr<absl::Span<const uint8_t>> Compressor::Compress(absl::Span<const uint8_t> bytes) {
  frame_.resize(ZSTD_compressBound(bytes.size()));
  const size_t size = ZSTD_compressCCtx(context_.get(), frame_.data(), frame_.size(), bytes.data(),
                                        bytes.size(), kLevel);
  if (ZSTD_isError(size) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("compression of guest memory: ", ZSTD_getErrorName(size)));
  }
  return absl::MakeConstSpan(frame_).first(size);
}

void Decompressor::Deleter::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }

absl::StatusOr<std::unique_ptr<Decompressor>> Decompressor::Create() {
  std::unique_ptr<Decompressor> self(new Decompressor);
  self->context_.reset(ZSTD_createDCtx());
  if (self->context_ == nullptr) return absl::ResourceExhaustedError("no memory to expand with");
  return self;
}

absl::Status Decompressor::Decompress(absl::Span<const uint8_t> frame, absl::Span<uint8_t> bytes) {
  const size_t size =
      ZSTD_decompressDCtx(context_.get(), bytes.data(), bytes.size(), frame.data(), frame.size());
  if (ZSTD_isError(size) != 0) {
    return absl::DataLossError(absl::StrCat("a compressed piece: ", ZSTD_getErrorName(size)));
  }
  if (size != bytes.size()) {
    return absl::DataLossError(
        absl::StrCat("a compressed piece holds ", size, " bytes instead of ", bytes.size()));
  }
  return absl::OkStatus();
}

}  // namespace touchstone
