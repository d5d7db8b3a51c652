#pragma once

namespace gigawarp::io {

/// Why VTK should not be given this file, or null: before version 5 a list of cells is "how many
/// corners, the corners" again and again, and VTK follows those numbers beyond the list's end.
/// Whether all else is right is for VTK to say.
const char* reason_against_cells(const char* file);

}  // namespace gigawarp::io
