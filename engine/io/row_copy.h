#pragma once
#include <cstddef>
#include <cstdint>

namespace gigawarp::io {

/// Rows of one length in planes: `step` bytes from row to row, `plane` bytes from plane to plane.
struct RowSteps {
  std::int64_t row = 0, plane = 0;
};

/// Copies `planes` x `rows` rows of `bytes` each, which are short (those of a chunk): the rows that
/// come next are fetched ahead, which processors do not do by themselves over such gaps. With
/// `past_cache` the copy is written to memory without being read into the cache first, which is
/// for targets larger than the cache: half the traffic.
void copy_rows(std::int64_t planes, std::int64_t rows, std::size_t bytes, const std::byte* from,
               RowSteps from_steps, std::byte* to, RowSteps to_steps, bool past_cache);

}  // namespace gigawarp::io
