// Writes the seeds of the fuzzer that is linked, programs over the requests of its kit, into a
// folder (virtio_program.h is the language).
//
//   ci/bazel run //fuzz/virtio:rng_fuzzer_seeds -- $PWD/fuzz/virtio/rng_corpus

#include <stdio.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "fuzz/support/virtio_fuzzer.h"

namespace touchstone {
namespace {

constexpr char kPlain = 0;
constexpr char kAllRingFeatures = 3;  // Of a split ring.
constexpr char kPacked = 4;
constexpr char kPackedAll = 7;

// Operations, with arg in the upper half of the byte.
std::string Op(int operation, int arg = 0) {
  return std::string(1, static_cast<char>(arg << 4 | operation));
}
std::string Bytes(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) text.push_back(static_cast<char>(byte));
  return text;
}

// Ring features, nothing left out, queues of 16.
std::string Header(char ring) {
  return std::string({ring, 0, 0, static_cast<char>((ring & kPacked) != 0 ? 15 : 4)});
}

std::string Request(size_t number, int arg) {
  return Op(0, arg) + Bytes({static_cast<int>(number), 0});
}

// The request spelt out, so that its bytes can be mutated.
std::string Chain(const TestRequest& request, bool indirect) {
  std::string buffers;
  int count = 0;
  for (const std::vector<uint8_t>& bytes : request.readable) {
    for (size_t at = 0; at < bytes.size(); at += 47) {
      const size_t size = std::min<size_t>(47, bytes.size() - at);
      buffers += Bytes({static_cast<int>(size)});
      buffers.append(bytes.begin() + static_cast<ptrdiff_t>(at),
                     bytes.begin() + static_cast<ptrdiff_t>(at + size));
      ++count;
    }
  }
  for (const uint32_t size : request.writable) {
    int code = static_cast<int>(size);
    if (size >= 48) {
      code = 48;
      while (code < 63 && (1u << (code - 40)) < size) ++code;
    }
    buffers += Bytes({0x80 | code});
    ++count;
  }
  if (count == 0 || count > 8) return "";
  return Op(1, request.queue) + Bytes({(count - 1) | (indirect ? 0x80 : 0)}) + buffers;
}

std::string Events(const TestRequest& request) {
  std::string text;
  for (const HostEvent& event : request.events) {
    text += Op(12, event.kind) + Bytes({static_cast<int>(event.bytes.size())});
    text.append(event.bytes.begin(), event.bytes.end());
  }
  return text;
}

// Programs of one request each: short ones, so that those made of them are short too.
std::map<std::string, std::string> Seeds(const DeviceKit& kit) {
  std::map<std::string, std::string> seeds;
  constexpr char kRings[] = {kPlain, kPackedAll, kAllRingFeatures, kPacked};
  for (size_t i = 0; i < kit.requests.size(); ++i) {
    const TestRequest& request = kit.requests[i];
    const int queue = request.queue;
    const char ring = kRings[i % 4];
    const char other = kRings[(i + 1) % 4];
    seeds["served_" + request.name] =
        Header(ring) + Request(i, (ring & 2) != 0 ? 8 : 0) + Request(i, 0);
    const bool indirect = (other & 2) != 0;
    if (const std::string chain = Chain(request, indirect); !chain.empty()) {
      seeds["spelt_" + request.name] =
          Header(other) + chain + Op(4, queue) + Op(5) + Events(request) + Op(5);
    }
    seeds["in_flight_" + request.name] = Header(ring) + Request(i, 1) + Op(4, queue) + Op(5) +
                                         Op(8, queue) + Request(i, 0) + Request(i, 1) +
                                         Op(4, queue) + Op(5) + Op(9) + Header(other) +
                                         Request(i, 0) + Op(10) + Request(i, 0);
  }
  seeds["state"] = Header(kPlain) + Request(0, 0) + Op(10) + Request(0, 0) + Op(10, 1) +
                   Bytes({4, 1, 2, 3, 4}) + Request(0, 0);
  seeds["config"] = Header(kPlain) + Op(6) + Bytes({0, 0, 64}) + Op(7, 3) + Bytes({0, 1, 2, 3, 4}) +
                    Op(6) + Bytes({0, 0, 64}) + Request(0, 0);
  seeds["loop"] = Header(kPlain) + Op(2) + Bytes({0, 0, 0, 1, 0, 16, 0, 0, 0, 1, 0, 0}) + Op(3) +
                  Bytes({0}) + Op(4) + Op(5) + Op(9) + Header(kPlain) + Request(0, 0);
  seeds["twice"] = Header(kPlain) + Request(0, 1) + Op(3) + Bytes({0}) + Op(4) + Op(5);
  seeds["outside"] = Header(kPlain) + Op(1) + Bytes({0, 0xC8, 0, 0, 4, 0}) + Op(4) + Op(5) + Op(1) +
                     Bytes({0, 0x48, 0, 0, 0, 0xFF}) + Op(4) + Op(5);
  seeds["time"] = Header(kPlain) + Request(0, 1) + Op(4) + Op(11) + Bytes({35}) + Op(12) +
                  Bytes({0}) + Op(11) + Bytes({30}) + Request(0, 0);
  return seeds;
}

std::map<std::string, std::string> AllSeeds() {
  std::map<std::string, std::string> all;
  for (size_t number = 0; number < FuzzedKits().size(); ++number) {
    for (auto& [name, program] : Seeds(FuzzedKits()[number])) {
      program[0] |= static_cast<char>(number << 4);
      all[number == 0 ? name : "kit" + std::to_string(number) + "_" + name] = program;
    }
  }
  return all;
}

}  // namespace
}  // namespace touchstone

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  for (const auto& [name, bytes] : touchstone::AllSeeds()) {
    std::ofstream file(folder / name, std::ios::binary);
    file << bytes;
    if (!file.flush()) {
      fprintf(stderr, "cannot write %s\n", (folder / name).c_str());
      return 1;
    }
  }
  return 0;
}
