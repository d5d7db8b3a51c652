#pragma once
/// Compiles a function for several instruction sets; the loader picks one (platform.md, "CPU back
/// end"). Inline callees follow their caller. Off under sanitizers, whose run-time is not up when
/// ifuncs resolve.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define GIGAWARP_MULTIVERSION \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define GIGAWARP_MULTIVERSION
#endif
#define GIGAWARP_ALWAYS_INLINE __attribute__((always_inline)) inline
