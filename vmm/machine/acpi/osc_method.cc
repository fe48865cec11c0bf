#include "vmm/machine/acpi/osc_method.h"

#include "base/bits.h"

namespace touchstone {

Aml OscMethod(absl::string_view uuid, uint8_t byte_index, uint32_t granted) {
  // Bits of the first dword that is returned.
  constexpr uint64_t kUnknownUuid = Bit(2), kUnknownRevision = Bit(3), kMasked = Bit(4);
  const Aml arguments = Aml::Arg(3), kept = Aml::Local(0);
  const Aml status = Aml::Path("CDW1"), features = Aml::Path("CDWX");
  const auto set_status = [&](uint64_t bit) { return Aml::Or(status, Aml::Integer(bit), status); };

  return Aml::Method("_OSC", 4,
                     {Aml::CreateDWordField(arguments, 0, "CDW1"),
                      Aml::If(Aml::Equal(Aml::Arg(0), Aml::Uuid(uuid)),
                              {Aml::CreateDWordField(arguments, byte_index, "CDWX"),
                               Aml::And(features, Aml::Integer(granted), kept),
                               Aml::If(Aml::NotEqual(Aml::Arg(1), Aml::Integer(1)),
                                       {set_status(kUnknownRevision)}),
                               Aml::If(Aml::NotEqual(features, kept), {set_status(kMasked)}),
                               Aml::Store(kept, features)}),
                      Aml::Else({set_status(kUnknownUuid)}), Aml::Return(arguments)});
}

}  // namespace touchstone
