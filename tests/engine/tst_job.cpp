#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "gigawarp/error.h"
#include "gigawarp/job.h"

namespace gigawarp {
namespace {

JobSpec example() {
  JobSpec job = job_from_preset("brain-t1");
  job.fixed = {"f0.nii", "f1.nii"};
  job.moving = {"m0.nii", "m1.nii"};
  job.channel_weights = {1, 0.1};
  job.fixed_mask = "fm.nii";
  job.moving_mask = "mm.nii";
  job.fixed_labels = "fl.nii";
  job.moving_labels = "ml.nii";
  job.fixed_spacing_mm = Vec3{0.1, 0.2, 1.0 / 3.0};
  job.moving_spacing_mm = Vec3{1e-3, 2, 3};
  job.initialisation = Initialisation::transform;
  job.initial_transform = "start \"here\".mat";
  job.fixed_landmarks = "f.fcsv";
  job.moving_landmarks = "m.fcsv";
  job.stages.back().kind = StageKind::syn;
  job.stages.back().metric.window = WindowKind::gaussian;
  job.stages.back().metric.approximate_gradient = true;
  job.stages.back().learning_rate = 0.1 + 0.2;
  job.device = "cuda:0,1";
  job.threads = 3;
  job.memory_bytes = 17179869184;
  job.output_directory = "out";
  job.write_inverse = job.write_warped = job.compress = false;
  job.warp_grid = WarpGrid::level;
  job.image_format = ImageFormat::ome_zarr;
  job.pyramid = PyramidUse::never;
  return job;
}

/// The sentence of the Error{usage} that `work` throws.
std::string refusal(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::usage);
    return error.what();
  }
  return "";
}

std::string parse_refusal(const std::string& text) {
  return refusal([&] { parse_job(text); });
}

TEST(Job, JsonFormKeepsEveryField) {
  const std::string text = to_json(example());
  EXPECT_EQ(to_json(parse_job(text)), text);
  const JobSpec job = parse_job(text);
  EXPECT_EQ(job.fixed, example().fixed);
  EXPECT_EQ(job.moving_labels, "ml.nii");
  EXPECT_EQ(job.warp_grid, WarpGrid::level);
  EXPECT_EQ(job.image_format, ImageFormat::ome_zarr);
  EXPECT_EQ(job.pyramid, PyramidUse::never);
  EXPECT_EQ(job.initial_transform, "start \"here\".mat");
  EXPECT_EQ(*job.fixed_spacing_mm, (Vec3{0.1, 0.2, 1.0 / 3.0}));
  EXPECT_EQ(job.stages.back().kind, StageKind::syn);
  EXPECT_EQ(job.stages.back().metric.window, WindowKind::gaussian);
  EXPECT_EQ(job.stages.back().learning_rate, 0.1 + 0.2);
  EXPECT_EQ(job.stages.back().levels.size(), example().stages.back().levels.size());
  EXPECT_EQ(job.memory_bytes, 17179869184U);
  EXPECT_FALSE(job.compress);
}

TEST(Job, UnknownKeysAreNamedWithTheLikelyOne) {
  const std::string words = parse_refusal(R"({"version": 1, "moving_lables": "x"})");
  EXPECT_NE(words.find("moving_lables"), std::string::npos) << words;
  EXPECT_NE(words.find("did you mean \"moving_labels\"?"), std::string::npos) << words;
  const std::string deep =
      parse_refusal(R"({"version": 1, "stages": [{"levels": [{"shrnk": 2}]}]})");
  EXPECT_NE(deep.find("stages[0].levels[0]"), std::string::npos) << deep;
  EXPECT_NE(deep.find("\"shrink\""), std::string::npos) << deep;
  EXPECT_EQ(parse_refusal(R"({"version": 1, "zzzzzz": 1})").find("did you mean"),
            std::string::npos);
}

TEST(Job, WrongTypesAreNamedByKey) {
  EXPECT_NE(parse_refusal(R"({"version": 1, "threads": "two"})").find("\"threads\""),
            std::string::npos);
  EXPECT_NE(parse_refusal(R"({"version": 1, "threads": 1e10})").find("\"threads\""),
            std::string::npos);
  EXPECT_NE(parse_refusal(R"({"version": 1, "fixed": [1]})").find("\"fixed\""), std::string::npos);
  EXPECT_NE(parse_refusal(R"({"version": 1, "stages": [{"kind": "rigd"}]})").find("rigid"),
            std::string::npos);
  EXPECT_FALSE(parse_refusal("[]").empty());
  EXPECT_FALSE(parse_refusal("").empty());
}

TEST(Job, OtherVersionsAreRefused) {
  EXPECT_NE(parse_refusal(R"({"version": 2})").find("version 2"), std::string::npos);
  EXPECT_NE(parse_refusal("{}").find("\"version\""), std::string::npos);
}

TEST(Job, SyntaxErrorsNameTheLine) {
  EXPECT_NE(parse_refusal("{\n\"version\": 1,\n]").find("line 3"), std::string::npos);
}

TEST(Job, EveryPresetIsValidOnceImagesAreNamed) {
  const std::vector<std::string> names = preset_names();
  EXPECT_EQ(names.front(), "brain-t1");
  for (const char* wanted : {"brain-t1", "brain-cross-modality", "lightsheet-atlas", "fast"})
    EXPECT_NE(std::find(names.begin(), names.end(), wanted), names.end()) << wanted;
  for (const std::string& name : names) {
    JobSpec job = job_from_preset(name);
    EXPECT_EQ(job.preset, name);
    EXPECT_FALSE(refusal([&] { validate(job); }).empty()) << "without images";
    job.fixed = {"f"};
    job.moving = {"m"};
    EXPECT_NO_THROW(validate(job)) << name;
  }
}

TEST(Job, UnknownPresetIsRefusedWithTheNames) {
  const std::string words = refusal([] { job_from_preset("fsat"); });
  EXPECT_NE(words.find("brain-cross-modality"), std::string::npos);
  EXPECT_NE(words.find("Did you mean \"fast\"?"), std::string::npos) << words;
}

struct Contradiction {
  const char* name;
  void (*make)(JobSpec&);
  const char* word;
};

class Contradictions : public testing::TestWithParam<Contradiction> {};

TEST_P(Contradictions, AreRefusedByName) {
  JobSpec job = example();
  ASSERT_NO_THROW(validate(job));
  GetParam().make(job);
  const std::string words = refusal([&] { validate(job); });
  EXPECT_NE(words.find(GetParam().word), std::string::npos) << words;
}

INSTANTIATE_TEST_SUITE_P(
    Job, Contradictions,
    testing::Values(
        Contradiction{"noFixed", [](JobSpec& j) { j.fixed.clear(); }, "--fixed"},
        Contradiction{"channelCounts", [](JobSpec& j) { j.moving.pop_back(); }, "moving"},
        Contradiction{"weightCounts", [](JobSpec& j) { j.channel_weights = {1}; }, "weights"},
        Contradiction{"zeroWeights",
                      [](JobSpec& j) {
                        j.channel_weights = {0, 0};
                      },
                      "zero"},
        Contradiction{"fixedLabelsThatNothingIsDoneWith",
                      [](JobSpec& j) {
                        j.moving_labels.clear();
                        j.write_inverse = false;
                      },
                      "--no-inverse"},
        Contradiction{"landmarksOfOne", [](JobSpec& j) { j.moving_landmarks.clear(); },
                      "Landmarks"},
        Contradiction{"noTransform", [](JobSpec& j) { j.initial_transform.clear(); },
                      "initial_transform"},
        Contradiction{"unusedTransform",
                      [](JobSpec& j) { j.initialisation = Initialisation::centres; }, "centres"},
        Contradiction{"landmarksMissing",
                      [](JobSpec& j) {
                        j.initialisation = Initialisation::landmarks;
                        j.initial_transform.clear();
                        j.fixed_landmarks.clear();
                        j.moving_landmarks.clear();
                      },
                      "landmark"},
        Contradiction{"noStages", [](JobSpec& j) { j.stages.clear(); }, "stages"},
        Contradiction{"noLevels", [](JobSpec& j) { j.stages[0].levels.clear(); }, "stages[0]"},
        Contradiction{
            "fineToCoarse",
            [](JobSpec& j) { std::reverse(j.stages[0].levels.begin(), j.stages[0].levels.end()); },
            "coarse to fine"},
        Contradiction{"deformableFirst",
                      [](JobSpec& j) { std::swap(j.stages.front(), j.stages.back()); },
                      "deformable"},
        Contradiction{"bins", [](JobSpec& j) { j.stages[0].metric.bins = 200; }, "bins"},
        Contradiction{"notANumber",
                      [](JobSpec& j) {
                        j.stages[0].learning_rate = std::numeric_limits<double>::quiet_NaN();
                      },
                      "learning_rate"},
        Contradiction{"device", [](JobSpec& j) { j.device = "cuda:0,,1"; }, "device"},
        Contradiction{"spacing",
                      [](JobSpec& j) {
                        j.fixed_spacing_mm = Vec3{1, 0, 1};
                      },
                      "fixed_spacing_mm"}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace gigawarp
