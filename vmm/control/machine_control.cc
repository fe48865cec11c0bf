#include "vmm/control/machine_control.h"

#include <errno.h>

#include "vmm/control/control_message.h"

namespace touchstone {

void MachineControl::Obey(const ControlRequest& request, ControlServer::Reply reply) {
  switch (request.command()) {
    case ControlRequest::STOP:
      // The answer first: the run may be over before the next turn of the loop.
      reply(ControlDone());
      return machine_.lifecycle().End(EndOfRun::kStopped);
    case ControlRequest::UNKNOWN:
      break;
  }
  reply(ControlError(EOPNOTSUPP, "this program does not know the command"));
}

}  // namespace touchstone
