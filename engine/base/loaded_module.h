#pragma once
#include <string>

namespace gigawarp {

/// A function of a module of ours that is loaded when first needed and stays: beside an installed
/// program (../lib/gigawarp), or where this build has put it. Throws Error{internal}; `what` begins
/// its sentence ("Surfaces cannot be made").
void* function_of_module(const char* file, const char* symbol, const std::string& what);

}  // namespace gigawarp
