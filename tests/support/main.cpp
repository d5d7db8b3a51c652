#include <gtest/gtest.h>

#include <cstdlib>

#ifdef __SANITIZE_THREAD__
/// TBB is not compiled for the sanitizer, which so sees what it clears and not what orders that: an
/// arena that one thread leaves and another takes looked like a race. Only what TBB itself calls is
/// left out; what it runs of ours is looked at as ever.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() { return "called_from_lib:libtbb.so\n"; }
#endif

/// A program whose cases all pass but of which some skipped themselves ends with 77, which CTest
/// counts as skipped; a failure always ends with 1, whatever else was skipped.
int main(int argc, char** argv) {
  constexpr int kSkipped = 77;
#ifdef GIGAWARP_TEST_PLUGINS
  setenv("GIGAWARP_PLUGINS", GIGAWARP_TEST_PLUGINS, 0);  // this program lies where none are near
#endif
  testing::InitGoogleTest(&argc, argv);
  if (RUN_ALL_TESTS() != 0) return 1;
  return testing::UnitTest::GetInstance()->skipped_test_count() > 0 ? kSkipped : 0;
}
