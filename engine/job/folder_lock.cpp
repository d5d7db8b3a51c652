#include "job/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

namespace gigawarp::job {

FolderLock::FolderLock(const std::filesystem::path& folder)
    : descriptor_(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
      taken_(descriptor_ >= 0 && flock(descriptor_, LOCK_EX | LOCK_NB) != 0 &&
             errno == EWOULDBLOCK) {}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace gigawarp::job
