// AML, the byte code of ACPI's description tables: an Aml is one encoded term, its factories are
// the grammar of ACPI 6.4, chapter 20, as far as our tables need it.
//
//   Aml::Device("COM1", {Aml::Name("_HID", Aml::EisaId("PNP0501")),
//                        Aml::Name("_UID", Aml::Integer(1))})
//
// Name paths are written as in ASL ("\\_SB.PC00", "^X", "CDW1"); segments shorter than four
// characters are padded with '_'. A malformed path, a term too large for its length field and the
// like are mistakes of the caller and CHECK: nothing that comes from outside belongs in here, save
// through Raw.
//
// A value: copyable, thread-compatible.

#ifndef TOUCHSTONE_VMM_MACHINE_ACPI_AML_H_
#define TOUCHSTONE_VMM_MACHINE_ACPI_AML_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace touchstone {

class Aml {
 public:
  // Already encoded terms, taken as they are.
  static Aml Raw(std::vector<uint8_t> bytes) { return Aml(std::move(bytes)); }

  // Data objects (20.2.3). Integer takes the shortest encoding.
  static Aml Integer(uint64_t value);
  // REQUIRES: `text` is ASCII without NUL.
  static Aml String(absl::string_view text);
  static Aml Buffer(absl::Span<const uint8_t> bytes);
  // REQUIRES: at most 255 elements.
  static Aml Package(absl::Span<const Aml> elements);
  // The integer for a seven-character identifier such as "PNP0A08" (19.6.36).
  static Aml EisaId(absl::string_view id);
  // The buffer for a UUID, e.g. "33DB4D5B-1FF7-401C-9657-7441C03DD766" (19.6.142).
  static Aml Uuid(absl::string_view uuid);

  // Named objects and name space modifiers (20.2.5.1, 20.2.5.2).
  static Aml Path(absl::string_view path);
  static Aml Name(absl::string_view path, const Aml& value);
  static Aml Scope(absl::string_view path, absl::Span<const Aml> terms);
  static Aml Device(absl::string_view path, absl::Span<const Aml> terms);
  // REQUIRES: at most seven arguments.
  static Aml Method(absl::string_view path, int arguments, absl::Span<const Aml> terms);
  // A window onto I/O ports, and a field that is its first byte.
  static Aml PortRegion(absl::string_view path, uint16_t port, uint8_t length);
  static Aml ByteField(absl::string_view region, absl::string_view name);
  static Aml CreateDWordField(const Aml& buffer, uint64_t byte_index, absl::string_view name);

  // Statements and expressions (20.2.5.3, 20.2.5.4). A target is a Path, Local or Arg.
  static Aml If(const Aml& condition, absl::Span<const Aml> terms);
  static Aml Else(absl::Span<const Aml> terms);
  static Aml Return(const Aml& value);
  static Aml Store(const Aml& value, const Aml& target);
  static Aml And(const Aml& a, const Aml& b, const Aml& target);
  static Aml Or(const Aml& a, const Aml& b, const Aml& target);
  static Aml Equal(const Aml& a, const Aml& b);
  static Aml NotEqual(const Aml& a, const Aml& b);

  // Local0 to Local7 and Arg0 to Arg6 (20.2.6).
  static Aml Local(int index);
  static Aml Arg(int index);

  [[nodiscard]] const std::vector<uint8_t>& bytes() const& { return bytes_; }
  [[nodiscard]] std::vector<uint8_t> bytes() && { return std::move(bytes_); }

 private:
  explicit Aml(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {}

  std::vector<uint8_t> bytes_;
};

// The PkgLength (20.2.4) for `content_size` bytes that follow it: it counts itself. REQUIRES: the
// sum is below 2^28.
std::vector<uint8_t> EncodePackageLength(size_t content_size);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_ACPI_AML_H_
