// For clang-tidy only: check-tidy.sh includes this ahead of every file. Boost 1.74 computes with
// values that its enumerations of conversions do not have, which clang refuses since 20; with a
// fixed type of their own they have them.
#pragma once
// What follows looks like bit-fields to clang-format.
// clang-format off
#if __has_include(<boost/numeric/conversion/int_float_mixture_enum.hpp>)
#define int_float_mixture_enum int_float_mixture_enum : int
#define sign_mixture_enum sign_mixture_enum : int
#define udt_builtin_mixture_enum udt_builtin_mixture_enum : int
#include <boost/numeric/conversion/int_float_mixture_enum.hpp>
#include <boost/numeric/conversion/sign_mixture_enum.hpp>
#include <boost/numeric/conversion/udt_builtin_mixture_enum.hpp>
#undef int_float_mixture_enum
#undef sign_mixture_enum
#undef udt_builtin_mixture_enum
#endif
// clang-format on
