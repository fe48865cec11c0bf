#include "vmm/config/merge.h"

#include <vector>

#include "google/protobuf/descriptor.h"
#include "vmm/config/schema.h"

namespace touchstone {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

void MergeOptions(const Message& later, Message& into) {
  std::vector<const FieldDescriptor*> fields;
  later.GetReflection()->ListFields(later, &fields);
  for (const FieldDescriptor* field : fields) {
    // MergeFrom would mix the keys of two structs, and append to a list of ranges, which is one
    // value.
    if (!field->is_repeated() || OptionOf(field).grammar() == GRAMMAR_RANGES)
      into.GetReflection()->ClearField(&into, field);
  }
  into.MergeFrom(later);
}

}  // namespace touchstone
