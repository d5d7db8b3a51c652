#pragma once
#include <cstddef>

#include "cuda/support.h"

/// What the members of a grid each found of their slabs, made into one by each for itself: every
/// member reads all the others' memory.
namespace gigawarp::cuda {

/// Numbers that every member keeps, the members' being `step` bytes apart.
template <class T>
struct OfMembers {
  const T* first;
  std::size_t step;
  int members;
};

/// `sums[i]`, i below `count`: of what the members have there.
void queue_sums(Device& device, const OfMembers<unsigned long long>& of, int count,
                unsigned long long* sums);
void queue_maximum(Device& device, const OfMembers<unsigned>& of, unsigned* maximum);

}  // namespace gigawarp::cuda
