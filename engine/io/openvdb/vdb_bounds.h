#pragma once

namespace gigawarp::io {

/// Why OpenVDB should not be given this file, or null: a text or value of its metadata is said to
/// be longer than the file, which OpenVDB believes, taking as much memory; or the file is of a
/// later version. Whether all else is right is for OpenVDB to say. Throws std::ios_base::failure
/// where the file ends too early.
const char* reason_against(const char* file);

}  // namespace gigawarp::io
