// How AddressSanitizer runs in a libFuzzer binary; ASAN_OPTIONS has the last word. Freed memory
// waits for longer than an execution takes, but stays in the cache, and allocations do not remember
// their callers: a crash that is reproduced with ASAN_OPTIONS=malloc_context_size=30, or in the
// replay of --config=asan, tells them.

extern "C" const char* __asan_default_options();

extern "C" const char* __asan_default_options() {
  return "quarantine_size_mb=1:thread_local_quarantine_size_kb=64:malloc_context_size=0:"
         "max_malloc_fill_size=64";
}
