// Empty messages of the options' types, without asking protobuf's factory for them.
//
// The factory builds the descriptors of descriptor.proto first, which is a fifth of all that
// starting the program takes.

#ifndef TOUCHSTONE_VMM_CONFIG_PROTOTYPES_H_
#define TOUCHSTONE_VMM_CONFIG_PROTOTYPES_H_

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace touchstone {

// The message that an option's value goes to: a new one of a list, else the field's own.
google::protobuf::Message* MutableValue(google::protobuf::Message& config,
                                        const google::protobuf::FieldDescriptor* option);

// The prototype of a type of RunConfig's fields, null for any other, which takes the long way.
const google::protobuf::Message* PrototypeOf(const google::protobuf::Descriptor* type);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_PROTOTYPES_H_
