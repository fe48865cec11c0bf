// A program that is nothing but a jailed device, for tests of DeviceHost.

#include <unistd.h>

#include "vmm/machine/jailed_device.h"

int main() { _exit(touchstone::RunJailedDevice()); }
