#include "bench/peers/load_report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

namespace touchstone {
namespace {

uint64_t Now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

void Pause() { usleep(200'000); }

}  // namespace

void LoadFailed(const char* what) {
  printf("load failed %s: %s\n", what, strerror(errno));
  exit(1);
}

void ReportLoad(const char* name, uint64_t operations, const std::function<void()>& load) {
  printf("load begin %s\n", name);
  Pause();
  const uint64_t start = Now();
  load();
  const uint64_t elapsed = Now() - start;
  printf("load end %s %llu %llu\n", name, static_cast<unsigned long long>(operations),
         static_cast<unsigned long long>(elapsed));
  Pause();
}

}  // namespace touchstone
