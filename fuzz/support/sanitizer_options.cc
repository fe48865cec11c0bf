// How AddressSanitizer runs in a libFuzzer binary; ASAN_OPTIONS has the last word. Freed memory
// stays warm, and allocations remember the nearest callers only: a crash that is reproduced with
// ASAN_OPTIONS=malloc_context_size=30 tells the rest.

extern "C" const char* __asan_default_options();

extern "C" const char* __asan_default_options() {
  return "quarantine_size_mb=8:thread_local_quarantine_size_kb=256:malloc_context_size=2:"
         "max_malloc_fill_size=64";
}
