#include "vmm/config/text_proto_reader.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/text_format.h"

namespace touchstone {
namespace {

// The schema is less deep.
constexpr int kMaxDepth = 16;

constexpr size_t kMaxMessage = 200;

// Keeps the first error.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int /*column*/, const std::string& message) override {
    // Lines count from 0; -1 is the whole text.
    if (error_.empty()) error_ = absl::StrCat("line ", line + 1, ": ", Readable(message));
  }

  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  // One line of bounded length, without the package of the messages.
  static std::string Readable(const std::string& message) {
    std::string text = absl::StrReplaceAll(message.substr(0, kMaxMessage), {{"touchstone.", ""}});
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
    return text;
  }

  std::string error_;
};

}  // namespace

absl::Status ReadTextProto(absl::string_view text, google::protobuf::Message& message) {
  FirstError errors;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  parser.SetRecursionLimit(kMaxDepth);
  google::protobuf::io::ArrayInputStream input(text.data(), static_cast<int>(text.size()));
  if (parser.Parse(&input, &message)) return absl::OkStatus();
  return absl::InvalidArgumentError(errors.error());
}

}  // namespace touchstone
