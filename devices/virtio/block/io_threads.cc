#include "devices/virtio/block/io_threads.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace touchstone {

IoThreads::~IoThreads() {
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    CHECK(jobs_.empty());
    stopping_ = true;
    threads.swap(threads_);
    more_.SignalAll();
  }
  for (std::thread& thread : threads) thread.join();
}

void IoThreads::Run(Client& client, std::vector<BlockOperation>& operations) {
  MutexLock lock(mutex_);
  for (BlockOperation& operation : operations) {
    jobs_.push_back({.client = &client, .operation = std::move(operation)});
  }
  operations.clear();
  for (size_t wake = std::min(jobs_.size(), idle_); wake > 0; --wake) more_.Signal();
  for (size_t have = idle_; have < jobs_.size() && threads_.size() < limit_; ++have) {
    threads_.emplace_back([this] { Loop(); });
  }
}

void IoThreads::Loop() {
  pthread_setname_np(pthread_self(), "block-io");
  mutex_.Lock();
  while (true) {
    while (jobs_.empty() && !stopping_) {
      ++idle_;
      more_.Wait(mutex_);
      --idle_;
    }
    if (jobs_.empty()) break;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    mutex_.Unlock();
    job.client->Execute(std::move(job.operation));
    mutex_.Lock();
  }
  mutex_.Unlock();
}

}  // namespace touchstone
