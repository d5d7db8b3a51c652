#pragma once
#include "n5/n5_metadata.h"

namespace n5 {

/// Fills `out` with a box of the dataset, x fastest. Blocks are decoded in parallel; those that are
/// missing are zero. Throws plugin::Refusal naming the file of a damaged one.
void read_box(const GigawarpHost& host, const Dataset& dataset, const GigawarpBox& box, void* out);

}  // namespace n5
