#include "app/transform_list.h"

#include <filesystem>
#include <iostream>

#include "gigawarp/error.h"
#include "io/transform_io.h"
#include "ops/invert_field.h"

namespace gigawarp::app {

std::vector<TransformWord> transform_list(const std::vector<std::string>& words) {
  std::vector<TransformWord> out;
  for (const std::string& word : words) {
    const bool flag = (word == "1" || word == "0") && !std::filesystem::exists(word);
    if (flag && !out.empty()) {
      out.back().inverse = word == "1";
    } else if (word.size() > 4 && word.front() == '[' &&
               (word.ends_with(",1]") || word.ends_with(",0]"))) {
      out.push_back({word.substr(1, word.size() - 4), word[word.size() - 2] == '1'});
    } else {
      out.push_back({word, false});
    }
  }
  return out;
}

std::vector<std::string> transform_files(const std::vector<std::string>& words) {
  std::vector<std::string> files;
  for (const TransformWord& transform : transform_list(words)) files.push_back(transform.file);
  return files;
}

std::vector<std::string> transform_words(const TransformWord& transform) {
  return {transform.inverse ? "[" + transform.file + ",1]" : transform.file};
}

namespace {
DisplacementField inverted_field(const DisplacementField& field) {
  DisplacementField inverse = invert_far(field, inverse_lattice(field));
  const InverseError error = inverse_error(field, inverse);
  if (error.voxels == 0)
    throw Error(ErrorCode::bad_input,
                "A displacement field has no inverse: no point could be measured, as it is "
                "undefined wherever it would lead back from.");
  std::cerr << "Inverted a displacement field: error mean " << error.mean_mm << " mm, 95 % below "
            << error.p95_mm << " mm, largest " << error.max_mm << " mm.\n";
  return inverse;
}
}  // namespace

Transform inverted(const Transform& transform) {
  Transform out;
  for (auto stage = transform.stages.rbegin(); stage != transform.stages.rend(); ++stage) {
    if (const auto* affine = std::get_if<Affine>(&*stage)) {
      out.stages.emplace_back(affine->inverse());
    } else if (const auto* field = std::get_if<DisplacementField>(&*stage)) {
      out.stages.emplace_back(inverted_field(*field));
    } else {
      throw Error(
          ErrorCode::usage,
          "A B-spline transform is inverted as a field: run gigawarp compose with --reference "
          "first, then invert its result.");
    }
  }
  return out;
}

Transform read_transform_list(const std::vector<std::string>& words, bool inverse) {
  Transform out;
  for (const TransformWord& word : transform_list(words))
    io::append(out, io::read_transform(word.file, word.inverse));
  return inverse ? inverted(out) : std::move(out);
}

}  // namespace gigawarp::app
