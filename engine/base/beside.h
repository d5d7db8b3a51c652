#pragma once
#include <functional>

namespace gigawarp {

/// Runs `work` in this thread and `other` on the pool meanwhile, or after it where there is one
/// thread. This thread takes no piece of `other` before `work` is done, so that `work` may hold
/// locks. Returns when both are done; an exception of either comes out of the call, that of `work`
/// first.
void beside(const std::function<void()>& work, const std::function<void()>& other);

}  // namespace gigawarp
