// make_tap NAME USER: makes a tap that stays, and is that user's (a number) to open.

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

int main(int argc, char** argv) {
  ifreq request = {};
  if (argc != 3 || strlen(argv[1]) >= sizeof(request.ifr_name)) {
    fprintf(stderr, "usage: make_tap NAME USER\n");
    return 2;
  }
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  memcpy(request.ifr_name, argv[1], strlen(argv[1]));
  const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0 ||
      ioctl(fd, TUNSETOWNER, strtoul(argv[2], nullptr, 10)) != 0 ||
      ioctl(fd, TUNSETPERSIST, 1) != 0) {
    fprintf(stderr, "make_tap: %s: %s\n", argv[1], strerror(errno));
    return 1;
  }
  return 0;
}
