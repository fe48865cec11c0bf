#include "base/event/loop_thread.h"

#include <pthread.h>

#include "base/status.h"

namespace touchstone {
namespace {

constexpr size_t kMaxThreadName = 15;  // pthread_setname_np(3)

}  // namespace

absl::StatusOr<std::unique_ptr<LoopThread>> LoopThread::Start(std::string name) {
  ASSIGN_OR_RETURN(std::unique_ptr<EpollLoop> loop, EpollLoop::Create());
  return std::unique_ptr<LoopThread>(new LoopThread(std::move(loop), std::move(name)));
}

LoopThread::LoopThread(std::unique_ptr<EpollLoop> loop, std::string name)
    : loop_(std::move(loop)), thread_([raw = loop_.get(), name = name.substr(0, kMaxThreadName)] {
        pthread_setname_np(pthread_self(), name.c_str());
        raw->Run();
      }) {}

LoopThread::~LoopThread() { Stop(); }

void LoopThread::Stop() {
  if (!thread_.joinable()) return;
  loop_->Stop();
  thread_.join();
}

}  // namespace touchstone
