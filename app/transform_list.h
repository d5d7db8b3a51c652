#pragma once
#include <string>
#include <vector>

#include "gigawarp/transform.h"

namespace gigawarp::app {

/// One file of --transform.
struct TransformWord {
  std::string file;
  bool inverse = false;
};
/// The files of --transform as read_transform_list() takes them apart, and back.
std::vector<TransformWord> transform_list(const std::vector<std::string>& words);
std::vector<std::string> transform_files(const std::vector<std::string>& words);
std::vector<std::string> transform_words(const TransformWord& transform);

/// Reads the files of --transform in order of application. "[file,1]" inverts an affine, as ANTs
/// writes it; CLI11 takes such a word apart, so "file" "1" are accepted too. With `inverse` the
/// whole chain is inverted: order reversed, matrices inverted, fields inverted numerically on their
/// own grids.
Transform read_transform_list(const std::vector<std::string>& words, bool inverse);

/// The inverse of a chain; says on stderr how exact an inverted field is. Throws Error{usage} for
/// B-splines.
Transform inverted(const Transform& transform);

}  // namespace gigawarp::app
