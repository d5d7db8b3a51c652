#pragma once
#include <cstdint>
#include <functional>
#include <vector>

namespace gigawarp {

/// Limits the threads of everything started inside `work` (0: all cores).
void with_threads(int threads, const std::function<void()>& work);

/// Threads that parallel_for may use here.
int available_threads();

/// Calls body(i) for i in [0, n), in any order, on the pool. Exceptions come out of the call.
void parallel_for(std::int64_t n, const std::function<void(std::int64_t)>& body);

/// Runs `work` so that this thread, while it waits for a parallel_for() in there, takes no piece of
/// anything else: `work` may hold locks that other pieces ask for.
void isolated(const std::function<void()>& work);

/// Resident memory of this process, bytes, now and at its peak.
std::uint64_t resident_bytes();
std::uint64_t peak_resident_bytes();
/// Memory that can still be taken without swapping, bytes.
std::uint64_t available_memory_bytes();

}  // namespace gigawarp
