// For clang-tidy only: check-tidy.sh includes this ahead of every file. Debian's ITK knows the
// features of GCC alone and stops at any other compiler, so it is shown GCC 12 while it looks.
#pragma once
#if __has_include(<itk_compiler_detection.h>)
#pragma push_macro("__clang__")
#pragma push_macro("__GNUC__")
#pragma push_macro("__GNUC_MINOR__")
#undef __clang__
#undef __GNUC__
#undef __GNUC_MINOR__
#define __GNUC__ 12
#define __GNUC_MINOR__ 2
#include <itk_compiler_detection.h>
#pragma pop_macro("__clang__")
#pragma pop_macro("__GNUC__")
#pragma pop_macro("__GNUC_MINOR__")
#endif
