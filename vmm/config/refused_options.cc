#include "vmm/config/refused_options.h"

#include "vmm/config/refused_schema.h"
#include "vmm/config/schema_check.h"

namespace touchstone {

const Descriptor* RefusedOptions::type() { return SchemaOf<RefusedConfig>(); }

void RefusedOptions::AppendErrors(std::vector<std::string>& errors) const {
  CheckSchema(message_, errors);
}

}  // namespace touchstone
