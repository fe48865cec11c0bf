#include "vmm/config/colons.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "vmm/config/schema.h"
#include "vmm/config/text.h"
#include "vmm/config/value.h"

namespace touchstone {
namespace {

absl::Status SetKey(DynamicMessage& message, absl::string_view part) {
  const std::vector<std::string> names = FieldNames(message.GetDescriptor());
  const size_t equals = part.find('=');
  if (equals == absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(Quote(part), " is not KEY=VALUE, the keys are ",
                                                   absl::StrJoin(names, ", "),
                                                   DidYouMean(part, names)));
  }
  const absl::string_view name = part.substr(0, equals);
  const FieldDescriptor* field = FindField(message.GetDescriptor(), name);
  if (field == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("unknown key ", Quote(name), ", the keys are ",
                                                   absl::StrJoin(names, ", "),
                                                   DidYouMean(name, names)));
  }
  const std::string key = absl::StrCat("key ", Quote(NameOf(field)));
  if (message.HasField(field)) {
    return absl::InvalidArgumentError(absl::StrCat(key, " is given twice"));
  }
  return Annotate(SetValue(message, field, part.substr(equals + 1)), key);
}

}  // namespace

absl::Status ParseColons(absl::string_view text, bool keyed, DynamicMessage& message) {
  const Descriptor* type = message.GetDescriptor();
  int place = 0;
  for (const absl::string_view part : absl::StrSplit(text, ':')) {
    if (place == type->field_count() || (keyed && !OptionOf(type->field(place)).required())) {
      if (!keyed) {
        return absl::InvalidArgumentError(
            absl::StrCat("unexpected ", Quote(part), " after ", place, " values"));
      }
      RETURN_IF_ERROR(SetKey(message, part));
      continue;
    }
    const FieldDescriptor* field = type->field(place++);
    const std::string key = absl::StrCat("key ", Quote(NameOf(field)));
    if (part.empty()) return absl::InvalidArgumentError(absl::StrCat(key, " is empty"));
    RETURN_IF_ERROR(Annotate(SetValue(message, field, part), key));
  }
  if (place < type->field_count() && OptionOf(type->field(place)).required()) {
    return absl::InvalidArgumentError(
        absl::StrCat("key ", Quote(NameOf(type->field(place))), " is missing"));
  }
  return absl::OkStatus();
}

}  // namespace touchstone
