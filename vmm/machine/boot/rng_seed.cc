#include "vmm/machine/boot/rng_seed.h"

#include <errno.h>
#include <sys/random.h>

#include "base/status.h"

namespace touchstone {

absl::StatusOr<std::vector<uint8_t>> MakeRngSeed() {
  std::vector<uint8_t> seed(kRngSeedSize);
  // getrandom(2): up to 256 bytes come whole once the generator is seeded; a signal can only
  // interrupt the wait for that.
  ssize_t count;
  do {
    count = getrandom(seed.data(), seed.size(), 0);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return ErrnoStatus(errno, "getrandom");
  if (static_cast<size_t>(count) != seed.size()) {
    return absl::InternalError("getrandom returned fewer bytes than asked for");
  }
  return seed;
}

}  // namespace touchstone
