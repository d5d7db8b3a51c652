#include <sys/syscall.h>
#include <time.h>

/* A library that takes 1.5 s to be loaded, as one from a slow disk does: while its symbols are
 * bound, under the loader's locks, glibc asks this which definition of a function to take. Nothing
 * of another library can be called there yet. */
static int definition(void) { return 1; }

static int (*choose(void))(void) {
  const struct timespec wait = {1, 500000000};
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(SYS_nanosleep), "D"(&wait), "S"(0)
                   : "rcx", "r11", "memory");
  return definition;
}

int slow_function(void) __attribute__((ifunc("choose")));

int (*const slow_pointer)(void) = slow_function; /* bound when loaded */
