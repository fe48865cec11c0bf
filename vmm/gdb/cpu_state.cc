#include "vmm/gdb/cpu_state.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/endian.h"

namespace touchstone {
namespace {

// The legacy area of XSAVE (SDM vol. 1, 10.5.1) and the first word of its header (13.4.2).
constexpr size_t kFpuStatus = 2;
constexpr size_t kFpuTags = 4;
constexpr size_t kFpuStack = 32;
constexpr size_t kXmm = 160;
constexpr size_t kLegacySize = 512;
constexpr size_t kComponents = kLegacySize;
constexpr uint8_t kX87AndSse = 3;

struct Register {
  enum class Kind : uint8_t { kGeneral, kSpecial, kSelector, kBase, kLegacy, kTags };

  std::string name;
  const char* type;
  size_t size;  // Bytes that gdb sees.
  Kind kind;
  uint64_t GeneralRegisters::* general = nullptr;
  uint64_t SpecialRegisters::* special = nullptr;
  Segment SpecialRegisters::* segment = nullptr;
  // In the legacy area, where it may be smaller than gdb sees it.
  size_t offset = 0;
  size_t stored = 0;
};

struct Feature {
  const char* name;
  std::vector<Register> registers;
};

Register General(const char* name, const char* type, size_t size,
                 uint64_t GeneralRegisters::* member) {
  return {.name = name,
          .type = type,
          .size = size,
          .kind = Register::Kind::kGeneral,
          .general = member};
}

Register Control(const char* name, uint64_t SpecialRegisters::* member) {
  return {.name = name,
          .type = "int64",
          .size = 8,
          .kind = Register::Kind::kSpecial,
          .special = member};
}

Register Selector(const char* name, Segment SpecialRegisters::* member) {
  return {.name = name,
          .type = "int32",
          .size = 4,
          .kind = Register::Kind::kSelector,
          .segment = member};
}

Register Base(const char* name, Segment SpecialRegisters::* member) {
  return {
      .name = name, .type = "int64", .size = 8, .kind = Register::Kind::kBase, .segment = member};
}

Register Legacy(std::string name, const char* type, size_t size, size_t offset, size_t stored) {
  return {.name = std::move(name),
          .type = type,
          .size = size,
          .kind = Register::Kind::kLegacy,
          .offset = offset,
          .stored = stored};
}

Feature Core() {
  using G = GeneralRegisters;
  using S = SpecialRegisters;
  Feature feature = {"org.gnu.gdb.i386.core",
                     {General("rax", "int64", 8, &G::rax),
                      General("rbx", "int64", 8, &G::rbx),
                      General("rcx", "int64", 8, &G::rcx),
                      General("rdx", "int64", 8, &G::rdx),
                      General("rsi", "int64", 8, &G::rsi),
                      General("rdi", "int64", 8, &G::rdi),
                      General("rbp", "data_ptr", 8, &G::rbp),
                      General("rsp", "data_ptr", 8, &G::rsp),
                      General("r8", "int64", 8, &G::r8),
                      General("r9", "int64", 8, &G::r9),
                      General("r10", "int64", 8, &G::r10),
                      General("r11", "int64", 8, &G::r11),
                      General("r12", "int64", 8, &G::r12),
                      General("r13", "int64", 8, &G::r13),
                      General("r14", "int64", 8, &G::r14),
                      General("r15", "int64", 8, &G::r15),
                      General("rip", "code_ptr", 8, &G::rip),
                      General("eflags", "int32", 4, &G::rflags),
                      Selector("cs", &S::cs),
                      Selector("ss", &S::ss),
                      Selector("ds", &S::ds),
                      Selector("es", &S::es),
                      Selector("fs", &S::fs),
                      Selector("gs", &S::gs)}};
  for (size_t i = 0; i < 8; ++i) {
    feature.registers.push_back(
        Legacy(absl::StrCat("st", i), "i387_ext", 10, kFpuStack + 16 * i, 10));
  }
  feature.registers.push_back(Legacy("fctrl", "int", 4, 0, 2));
  feature.registers.push_back(Legacy("fstat", "int", 4, kFpuStatus, 2));
  feature.registers.push_back(
      {.name = "ftag", .type = "int", .size = 4, .kind = Register::Kind::kTags});
  feature.registers.push_back(Legacy("fiseg", "int", 4, 12, 4));
  feature.registers.push_back(Legacy("fioff", "int", 4, 8, 4));
  feature.registers.push_back(Legacy("foseg", "int", 4, 20, 4));
  feature.registers.push_back(Legacy("fooff", "int", 4, 16, 4));
  feature.registers.push_back(Legacy("fop", "int", 4, 6, 2));
  return feature;
}

Feature Sse() {
  Feature feature = {"org.gnu.gdb.i386.sse", {}};
  for (size_t i = 0; i < 16; ++i) {
    feature.registers.push_back(Legacy(absl::StrCat("xmm", i), "uint128", 16, kXmm + 16 * i, 16));
  }
  feature.registers.push_back(Legacy("mxcsr", "int", 4, 24, 4));
  return feature;
}

std::vector<Feature> MakeFeatures() {
  using S = SpecialRegisters;
  return {Core(),
          Sse(),
          {"org.gnu.gdb.i386.segments", {Base("fs_base", &S::fs), Base("gs_base", &S::gs)}},
          {"org.touchstone.x86.control",
           {Control("cr0", &S::cr0), Control("cr2", &S::cr2), Control("cr3", &S::cr3),
            Control("cr4", &S::cr4), Control("cr8", &S::cr8), Control("efer", &S::efer)}}};
}

const std::vector<Feature>& Features() {
  static const auto* const features = new std::vector<Feature>(MakeFeatures());
  return *features;
}

std::vector<Register> MakeRegisters() {
  std::vector<Register> all;
  for (const Feature& feature : Features()) {
    all.insert(all.end(), feature.registers.begin(), feature.registers.end());
  }
  return all;
}

const std::vector<Register>& Registers() {
  static const auto* const registers = new std::vector<Register>(MakeRegisters());
  return *registers;
}

// The legacy area, all of it zero where the hypervisor gave none.
std::vector<uint8_t> LegacyArea(const ExtendedState& state) {
  std::vector<uint8_t> area = state.xsave;
  area.resize(std::max(area.size(), kLegacySize));
  return area;
}

enum Tag : uint16_t { kValid = 0, kZero = 1, kSpecial = 2, kEmpty = 3 };

// SDM vol. 1, 8.1.7: the full tag of a register that is not empty, from its value.
Tag TagOf(absl::Span<const uint8_t> value) {
  const uint64_t significand = LoadLe(value.first(8));
  const uint16_t exponent = LoadLe(value.subspan(8, 2)) & 0x7FFF;
  if (exponent == 0x7FFF) return kSpecial;
  if (exponent == 0) return significand == 0 ? kZero : kSpecial;
  return significand >> 63 != 0 ? kValid : kSpecial;
}

// XSAVE keeps one bit a physical register (SDM vol. 1, 10.5.1.1), gdb wants two.
uint16_t FullTags(absl::Span<const uint8_t> area) {
  const uint16_t top = static_cast<uint16_t>(LoadLe(area.subspan(kFpuStatus, 2)) >> 11 & 7);
  uint16_t tags = 0;
  for (uint16_t i = 0; i < 8; ++i) {
    const size_t stack = static_cast<size_t>(i + 8 - top) % 8;
    const bool used = (area[kFpuTags] >> i & 1) != 0;
    const Tag tag = used ? TagOf(area.subspan(kFpuStack + 16 * stack, 10)) : kEmpty;
    tags = static_cast<uint16_t>(tags | tag << (2 * i));
  }
  return tags;
}

uint8_t AbridgedTags(uint16_t tags) {
  uint8_t bits = 0;
  for (int i = 0; i < 8; ++i) {
    if ((tags >> (2 * i) & 3) != kEmpty) bits = static_cast<uint8_t>(bits | 1 << i);
  }
  return bits;
}

std::string Bytes(uint64_t value, size_t size) {
  std::string bytes(size, '\0');
  StoreLe(value,
          absl::MakeSpan(reinterpret_cast<uint8_t*>(bytes.data()), std::min<size_t>(size, 8)));
  return bytes;
}

absl::Span<const uint8_t> Unsigned(absl::string_view bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

void WriteLegacy(ExtendedState& state, size_t offset, absl::Span<const uint8_t> bytes) {
  if (state.xsave.size() < kComponents + 8) return;
  memcpy(state.xsave.data() + offset, bytes.data(), bytes.size());
  // What is written is no longer in its initial state.
  state.xsave[kComponents] |= kX87AndSse;
}

}  // namespace

std::string GdbTargetDescription() {
  std::string xml =
      "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\">"
      "<architecture>i386:x86-64</architecture>";
  for (const Feature& feature : Features()) {
    absl::StrAppend(&xml, "<feature name=\"", feature.name, "\">");
    for (const Register& reg : feature.registers) {
      absl::StrAppend(&xml, "<reg name=\"", reg.name, "\" bitsize=\"", reg.size * 8, "\" type=\"",
                      reg.type, "\"/>");
    }
    absl::StrAppend(&xml, "</feature>");
  }
  absl::StrAppend(&xml, "</target>");
  return xml;
}

size_t GdbRegisterCount() { return Registers().size(); }

size_t GdbRegisterSize(size_t number) { return Registers()[number].size; }

std::string ReadGdbRegister(const GdbCpuState& state, size_t number) {
  const Register& reg = Registers()[number];
  switch (reg.kind) {
    case Register::Kind::kGeneral:
      return Bytes(state.general.*reg.general, reg.size);
    case Register::Kind::kSpecial:
      return Bytes(state.special.*reg.special, reg.size);
    case Register::Kind::kSelector:
      return Bytes((state.special.*reg.segment).selector, reg.size);
    case Register::Kind::kBase:
      return Bytes((state.special.*reg.segment).base, reg.size);
    case Register::Kind::kTags:
      return Bytes(FullTags(LegacyArea(state.extended)), reg.size);
    case Register::Kind::kLegacy: {
      const std::vector<uint8_t> area = LegacyArea(state.extended);
      std::string bytes(reg.size, '\0');
      memcpy(bytes.data(), area.data() + reg.offset, reg.stored);
      return bytes;
    }
  }
  return {};
}

absl::Status WriteGdbRegister(GdbCpuState& state, size_t number, absl::string_view value) {
  const Register& reg = Registers()[number];
  if (value.size() != reg.size) {
    return absl::InvalidArgumentError(absl::StrCat(reg.name, " has ", reg.size, " bytes"));
  }
  switch (reg.kind) {
    case Register::Kind::kGeneral: {
      uint64_t& member = state.general.*reg.general;
      member = LoadLe(Unsigned(value));
      break;
    }
    case Register::Kind::kBase:
      (state.special.*reg.segment).base = LoadLe(Unsigned(value));
      break;
    case Register::Kind::kSpecial:
    case Register::Kind::kSelector:
      if (value != ReadGdbRegister(state, number)) {
        return absl::PermissionDeniedError(absl::StrCat(reg.name, " cannot be changed"));
      }
      break;
    case Register::Kind::kTags: {
      const uint8_t tags = AbridgedTags(static_cast<uint16_t>(LoadLe(Unsigned(value))));
      WriteLegacy(state.extended, kFpuTags, {&tags, 1});
      break;
    }
    case Register::Kind::kLegacy:
      WriteLegacy(state.extended, reg.offset, Unsigned(value).first(reg.stored));
      break;
  }
  return absl::OkStatus();
}

}  // namespace touchstone
