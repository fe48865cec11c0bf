#include "vmm/machine/acpi/aml.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/endian.h"
#include "base/log.h"

namespace touchstone {
namespace {

// Opcodes: ACPI 6.4, table 20.1 and 20.2. Extended ones follow kExtPrefix.
enum Opcode : uint8_t {
  kZero = 0x00,
  kOne = 0x01,
  kName = 0x08,
  kByte = 0x0A,
  kWord = 0x0B,
  kDWord = 0x0C,
  kString = 0x0D,
  kQWord = 0x0E,
  kScope = 0x10,
  kBuffer = 0x11,
  kPackage = 0x12,
  kMethod = 0x14,
  kDualName = 0x2E,
  kMultiName = 0x2F,
  kExtPrefix = 0x5B,
  kRegion = 0x80,  // extended
  kField = 0x81,   // extended
  kLocal0 = 0x60,
  kArg0 = 0x68,
  kStore = 0x70,
  kAnd = 0x7B,
  kOr = 0x7D,
  kDevice = 0x82,  // extended
  kCreateDWordField = 0x8A,
  kNot = 0x92,
  kEqual = 0x93,
  kIf = 0xA0,
  kElse = 0xA1,
  kReturn = 0xA4,
};

constexpr size_t kSegmentLength = 4;

using Bytes = std::vector<uint8_t>;

void Append(Bytes& to, absl::Span<const uint8_t> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void AppendLe(Bytes& to, uint64_t value, size_t size) {
  to.resize(to.size() + size);
  StoreLe(value, absl::MakeSpan(to).last(size));
}

Bytes Join(absl::Span<const Aml> terms) {
  Bytes joined;
  for (const Aml& term : terms) Append(joined, term.bytes());
  return joined;
}

// opcode, PkgLength, content.
Bytes Sized(std::initializer_list<uint8_t> opcode, const Bytes& content) {
  Bytes bytes = opcode;
  Append(bytes, EncodePackageLength(content.size()));
  Append(bytes, content);
  return bytes;
}

Bytes Concat(uint8_t opcode, std::initializer_list<const Aml*> operands) {
  Bytes bytes = {opcode};
  for (const Aml* operand : operands) Append(bytes, operand->bytes());
  return bytes;
}

// 20.2.2: NameSeg is LeadNameChar NameChar NameChar NameChar, filled up with '_'.
void AppendSegment(Bytes& to, absl::string_view segment) {
  CHECK(!segment.empty() && segment.size() <= kSegmentLength);
  CHECK(!absl::ascii_isdigit(segment[0]));
  for (size_t i = 0; i < kSegmentLength; ++i) {
    const char c = i < segment.size() ? segment[i] : '_';
    CHECK(absl::ascii_isupper(c) || absl::ascii_isdigit(c) || c == '_');
    to.push_back(static_cast<uint8_t>(c));
  }
}

// 20.2.2: NameString is a root character or parent prefixes, then NamePath.
Bytes EncodePath(absl::string_view path) {
  Bytes bytes;
  if (absl::ConsumePrefix(&path, "\\")) {
    bytes.push_back('\\');
  } else {
    while (absl::ConsumePrefix(&path, "^")) bytes.push_back('^');
  }
  const std::vector<absl::string_view> segments = absl::StrSplit(path, '.');
  CHECK(segments.size() <= 255);
  if (segments.size() == 2) bytes.push_back(kDualName);
  if (segments.size() > 2) {
    bytes.push_back(kMultiName);
    bytes.push_back(static_cast<uint8_t>(segments.size()));
  }
  for (absl::string_view segment : segments) AppendSegment(bytes, segment);
  return bytes;
}

// A sized term whose content begins with a name.
Bytes SizedNamed(std::initializer_list<uint8_t> opcode, absl::string_view path,
                 absl::Span<const Aml> terms) {
  Bytes content = EncodePath(path);
  Append(content, Join(terms));
  return Sized(opcode, content);
}

}  // namespace

std::vector<uint8_t> EncodePackageLength(size_t content_size) {
  // 20.2.4: up to 63 in six bits of the lead byte; else its low nibble holds bits 3 to 0 and bits 7
  // to 6 count the bytes that follow.
  if (content_size + 1 < 1 << 6) return {static_cast<uint8_t>(content_size + 1)};
  for (size_t following = 1; following <= 3; ++following) {
    const size_t length = content_size + 1 + following;
    if (length >= size_t{1} << (4 + 8 * following)) continue;
    Bytes bytes = {static_cast<uint8_t>(following << 6 | (length & 0xF))};
    AppendLe(bytes, length >> 4, following);
    return bytes;
  }
  CHECK(false);
  return {};
}

Aml Aml::Integer(uint64_t value) {
  if (value == 0) return Aml({kZero});
  if (value == 1) return Aml({kOne});
  const bool fits8 = value <= 0xFF, fits16 = value <= 0xFFFF, fits32 = value <= 0xFFFFFFFF;
  Bytes bytes = {fits8 ? kByte : fits16 ? kWord : fits32 ? kDWord : kQWord};
  AppendLe(bytes, value, fits8 ? 1 : fits16 ? 2 : fits32 ? 4 : 8);
  return Aml(std::move(bytes));
}

Aml Aml::String(absl::string_view text) {
  Bytes bytes = {kString};
  for (const char c : text) {
    CHECK(c > 0);
    bytes.push_back(static_cast<uint8_t>(c));
  }
  bytes.push_back(0);
  return Aml(std::move(bytes));
}

Aml Aml::Buffer(absl::Span<const uint8_t> bytes) {
  Bytes content = Integer(bytes.size()).bytes_;
  Append(content, bytes);
  return Aml(Sized({kBuffer}, content));
}

Aml Aml::Package(absl::Span<const Aml> elements) {
  CHECK(elements.size() <= 255);
  Bytes content = {static_cast<uint8_t>(elements.size())};
  Append(content, Join(elements));
  return Aml(Sized({kPackage}, content));
}

Aml Aml::EisaId(absl::string_view id) {
  CHECK(id.size() == 7);
  // Three letters of five bits each and four hexadecimal digits, big-endian (19.6.36).
  uint32_t value = 0;
  for (const char c : id.substr(0, 3)) {
    CHECK(absl::ascii_isupper(c));
    value = value << 5 | (static_cast<uint32_t>(c) - 0x40);
  }
  for (const char c : id.substr(3)) {
    CHECK(absl::ascii_isxdigit(c));
    value = value << 4 | (absl::ascii_isdigit(c) ? c - '0' : absl::ascii_toupper(c) - 'A' + 10u);
  }
  return Integer(internal::ByteSwap(value));
}

Aml Aml::Uuid(absl::string_view uuid) {
  const std::string raw = absl::HexStringToBytes(absl::StrReplaceAll(uuid, {{"-", ""}}));
  CHECK(uuid.size() == 36 && raw.size() == 16);
  // 19.6.142: the first three groups are little-endian.
  constexpr int kOrder[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  Bytes bytes;
  for (const int index : kOrder) bytes.push_back(static_cast<uint8_t>(raw[index]));
  return Buffer(bytes);
}

Aml Aml::Path(absl::string_view path) { return Aml(EncodePath(path)); }

Aml Aml::Name(absl::string_view path, const Aml& value) {
  const Aml name = Path(path);
  return Aml(Concat(kName, {&name, &value}));
}

Aml Aml::Scope(absl::string_view path, absl::Span<const Aml> terms) {
  return Aml(SizedNamed({kScope}, path, terms));
}

Aml Aml::Device(absl::string_view path, absl::Span<const Aml> terms) {
  return Aml(SizedNamed({kExtPrefix, kDevice}, path, terms));
}

Aml Aml::Method(absl::string_view path, int arguments, absl::Span<const Aml> terms) {
  CHECK(arguments >= 0 && arguments <= 7);
  Bytes content = EncodePath(path);
  content.push_back(static_cast<uint8_t>(arguments));  // MethodFlags: not serialized
  Append(content, Join(terms));
  return Aml(Sized({kMethod}, content));
}

Aml Aml::PortRegion(absl::string_view path, uint16_t port, uint8_t length) {
  constexpr uint8_t kSystemIo = 1;
  Bytes bytes = {kExtPrefix, kRegion};
  Append(bytes, EncodePath(path));
  bytes.push_back(kSystemIo);
  Append(bytes, Integer(port).bytes_);
  Append(bytes, Integer(length).bytes_);
  return Aml(std::move(bytes));
}

Aml Aml::ByteField(absl::string_view region, absl::string_view name) {
  constexpr uint8_t kByteAccess = 1;  // no lock, other bits preserved
  Bytes content = EncodePath(region);
  content.push_back(kByteAccess);
  AppendSegment(content, name);
  content.push_back(8);  // bits
  return Aml(Sized({kExtPrefix, kField}, content));
}

Aml Aml::CreateDWordField(const Aml& buffer, uint64_t byte_index, absl::string_view name) {
  const Aml index = Integer(byte_index);
  const Aml field = Path(name);
  return Aml(Concat(kCreateDWordField, {&buffer, &index, &field}));
}

Aml Aml::If(const Aml& condition, absl::Span<const Aml> terms) {
  Bytes content = condition.bytes_;
  Append(content, Join(terms));
  return Aml(Sized({kIf}, content));
}

Aml Aml::Else(absl::Span<const Aml> terms) { return Aml(Sized({kElse}, Join(terms))); }

Aml Aml::Return(const Aml& value) { return Aml(Concat(kReturn, {&value})); }

Aml Aml::Store(const Aml& value, const Aml& target) {
  return Aml(Concat(kStore, {&value, &target}));
}

Aml Aml::And(const Aml& a, const Aml& b, const Aml& target) {
  return Aml(Concat(kAnd, {&a, &b, &target}));
}

Aml Aml::Or(const Aml& a, const Aml& b, const Aml& target) {
  return Aml(Concat(kOr, {&a, &b, &target}));
}

Aml Aml::Equal(const Aml& a, const Aml& b) { return Aml(Concat(kEqual, {&a, &b})); }

Aml Aml::NotEqual(const Aml& a, const Aml& b) {
  const Aml equal = Equal(a, b);
  return Aml(Concat(kNot, {&equal}));
}

Aml Aml::Local(int index) {
  CHECK(index >= 0 && index <= 7);
  return Aml({static_cast<uint8_t>(kLocal0 + index)});
}

Aml Aml::Arg(int index) {
  CHECK(index >= 0 && index <= 6);
  return Aml({static_cast<uint8_t>(kArg0 + index)});
}

}  // namespace touchstone
