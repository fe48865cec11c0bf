#include "vmm/jail/jail_report.h"

#include <unistd.h>

#include <cstddef>

namespace touchstone {

bool SendJailReport(int fd, JailReport::Kind kind, int32_t number, const char* step) {
  JailReport report = {.kind = kind, .number = number};
  for (size_t i = 0; i + 1 < sizeof(report.step) && step[i] != '\0'; ++i) report.step[i] = step[i];
  return write(fd, &report, sizeof(report)) == sizeof(report);
}

}  // namespace touchstone
