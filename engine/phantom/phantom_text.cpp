#include <nlohmann/json.hpp>

#include "gigawarp/error.h"
#include "phantom/known_map.h"
#include "phantom/phantom.h"

namespace gigawarp::phantom {

Contrast contrast_from_name(const std::string& name) {
  for (const Contrast c : {Contrast::t1, Contrast::t2, Contrast::lightsheet})
    if (name == name_of(c)) return c;
  throw Error(ErrorCode::usage,
              "\"" + name + "\" is not a contrast of the phantom; use t1, t2 or lightsheet.", name);
}

std::string name_of(Contrast contrast) {
  switch (contrast) {
    case Contrast::t1: return "t1";
    case Contrast::t2: return "t2";
    case Contrast::lightsheet: break;
  }
  return "lightsheet";
}

std::string to_json(const PhantomSpec& spec) {
  nlohmann::ordered_json out;
  out["phantom_version"] = PhantomSpec::kVersion;
  out["size"] = spec.size;
  out["spacing_mm"] = spec.spacing_mm;
  out["fixed_contrast"] = name_of(spec.fixed_contrast);
  out["moving_contrast"] = name_of(spec.moving_contrast);
  out["type"] = gigawarp::name_of(spec.type);
  out["seed"] = spec.seed;
  out["deformation_mm"] = spec.deformation_mm;
  out["affine_perturbation"] = spec.affine_perturbation;
  out["noise_percent"] = spec.noise_percent;
  out["bias_field_percent"] = spec.bias_field_percent;
  out["oblique"] = spec.oblique;
  return out.dump(2) + "\n";
}

namespace {

ScalarType type_from_name(const std::string& name) {
  for (int t = 0; t <= static_cast<int>(ScalarType::f64); ++t)
    if (name == gigawarp::name_of(static_cast<ScalarType>(t))) return static_cast<ScalarType>(t);
  throw Error(ErrorCode::bad_input,
              "The phantom description names the unknown type \"" + name + "\".", "type");
}

}  // namespace

PhantomSpec parse_phantom(const std::string& json_text) {
  try {
    const nlohmann::json in = nlohmann::json::parse(json_text);
    const int version = in.at("phantom_version").get<int>();
    if (version != PhantomSpec::kVersion)
      throw Error(ErrorCode::bad_input,
                  "The phantom description has version " + std::to_string(version) +
                      "; this program knows version " + std::to_string(PhantomSpec::kVersion) + ".",
                  "phantom_version");
    PhantomSpec spec;
    spec.size = in.at("size").get<Size3>();
    spec.spacing_mm = in.at("spacing_mm").get<double>();
    spec.fixed_contrast = contrast_from_name(in.at("fixed_contrast").get<std::string>());
    spec.moving_contrast = contrast_from_name(in.at("moving_contrast").get<std::string>());
    spec.type = type_from_name(in.at("type").get<std::string>());
    spec.seed = in.at("seed").get<std::uint64_t>();
    spec.deformation_mm = in.at("deformation_mm").get<double>();
    spec.affine_perturbation = in.at("affine_perturbation").get<double>();
    spec.noise_percent = in.at("noise_percent").get<double>();
    spec.bias_field_percent = in.at("bias_field_percent").get<double>();
    spec.oblique = in.at("oblique").get<bool>();
    return spec;
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::bad_input,
                std::string("The phantom description cannot be read: ") + error.what() + ".",
                "phantom.json");
  }
}

std::vector<PhantomLabel> phantom_labels() {
  return {{2, "Left-Cerebral-White-Matter"},
          {3, "Left-Cerebral-Cortex"},
          {4, "Left-Lateral-Ventricle"},
          {7, "Left-Cerebellum-White-Matter"},
          {8, "Left-Cerebellum-Cortex"},
          {10, "Left-Thalamus"},
          {11, "Left-Caudate"},
          {12, "Left-Putamen"},
          {13, "Left-Pallidum"},
          {14, "3rd-Ventricle"},
          {15, "4th-Ventricle"},
          {16, "Brain-Stem"},
          {17, "Left-Hippocampus"},
          {18, "Left-Amygdala"},
          {24, "CSF"},
          {26, "Left-Accumbens-area"},
          {41, "Right-Cerebral-White-Matter"},
          {42, "Right-Cerebral-Cortex"},
          {43, "Right-Lateral-Ventricle"},
          {46, "Right-Cerebellum-White-Matter"},
          {47, "Right-Cerebellum-Cortex"},
          {49, "Right-Thalamus"},
          {50, "Right-Caudate"},
          {51, "Right-Putamen"},
          {52, "Right-Pallidum"},
          {53, "Right-Hippocampus"},
          {54, "Right-Amygdala"},
          {58, "Right-Accumbens-area"},
          {255, "Corpus-Callosum"}};
}

std::vector<PhantomLandmark> Phantom::landmarks() const {
  struct Named {
    const char* name;
    Vec3 nominal_mm;  ///< in the moving head, from its centre: x left, y back, z up
  };
  static constexpr Named kPoints[] = {
      {"callosum-genu", {0, -35, 13}},        {"callosum-splenium", {0, 38, 14}},
      {"callosum-body", {0, 0, 29}},          {"third-ventricle", {0, 8, 1}},
      {"fourth-ventricle", {0, 29.5, -37}},   {"pons", {0, 5, -36}},
      {"thalamus-left", {13, 14, 5}},         {"thalamus-right", {-13, 14, 5}},
      {"caudate-head-left", {16, -24, 10}},   {"caudate-head-right", {-16, -24, 10}},
      {"putamen-left", {28, -3, 2}},          {"putamen-right", {-28, -3, 2}},
      {"amygdala-left", {23, -9, -19}},       {"amygdala-right", {-23, -9, -19}},
      {"hippocampus-left", {27, 16, -13}},    {"hippocampus-right", {-27, 16, -13}},
      {"occipital-horn-left", {26, 38, -6}},  {"occipital-horn-right", {-26, 38, -6}},
      {"temporal-pole-left", {40, -36, -24}}, {"temporal-pole-right", {-40, -36, -24}},
      {"cerebellum-left", {28, 46, -42}},     {"cerebellum-right", {-28, 46, -42}},
      {"frontal-white-left", {22, -46, 16}},  {"frontal-white-right", {-22, -46, 16}},
      {"parietal-white-left", {26, 34, 32}},  {"parietal-white-right", {-26, 34, 32}}};
  // The head's centre and scale follow from the grid and the spec; see the constructor.
  const Grid& g = grid(Side::moving);
  const Vec3 centre = g.centre_mm();
  const double scale = nominal_scale();
  std::vector<PhantomLandmark> out;
  for (const Named& point : kPoints) {
    Vec3 moving{};
    for (int c = 0; c < 3; ++c) moving[c] = centre[c] + point.nominal_mm[c] * scale;
    out.push_back({point.name, inverse_map(moving), moving});
  }
  return out;
}

}  // namespace gigawarp::phantom
