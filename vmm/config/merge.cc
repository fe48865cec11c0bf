#include "vmm/config/merge.h"

#include "vmm/config/schema.h"

namespace touchstone {

void MergeOptions(const DynamicMessage& later, DynamicMessage& into) {
  for (const FieldDescriptor* field : later.ListFields()) {
    // MergeFrom would mix the keys of two structs, and append to a list of ranges, which is one
    // value.
    if (!field->is_repeated() || OptionOf(field).grammar() == GRAMMAR_RANGES)
      into.ClearField(field);
  }
  into.MergeFrom(later);
}

}  // namespace touchstone
