// The engine of a fuzz target that is no libFuzzer binary: runs the target over the files and
// folders named on the command line, over the empty input, and over each file cut at a few lengths
// (inputs end early more often than anything else).

#include <stdint.h>
#include <stdio.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kCutsPerFile = 8;

void RunOne(const std::vector<uint8_t>& input, size_t size) {
  // An exact copy, so that AddressSanitizer sees a read past the end.
  const std::vector<uint8_t> exact(input.begin(), input.begin() + static_cast<ptrdiff_t>(size));
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

bool Replay(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    fprintf(stderr, "cannot read %s\n", path.c_str());
    return false;
  }
  const std::vector<uint8_t> input{std::istreambuf_iterator<char>(file), {}};
  printf("%s: %zu bytes\n", path.c_str(), input.size());
  fflush(stdout);
  RunOne(input, input.size());
  for (int i = 1; i < kCutsPerFile; ++i) RunOne(input, input.size() * i / kCutsPerFile);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  int files = 0;
  bool ok = true;
  RunOne({}, 0);
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::is_directory(argv[i])) {
      ok &= Replay(argv[i]);
      ++files;
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (!entry.is_regular_file()) continue;
      ok &= Replay(entry.path());
      ++files;
    }
  }
  if (files == 0) fprintf(stderr, "no corpus file was given\n");
  return ok && files > 0 ? 0 : 1;
}
