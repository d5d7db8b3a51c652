#include "job/checkpoint_files.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/beside.h"
#include "base/replace_file.h"
#include "gigawarp/error.h"
#include "gigawarp/volume.h"
#include "job/checksum.h"

namespace gigawarp::job {

namespace {

constexpr int kVersion = 2;  ///< 2: digests of arrays by blocks

std::string hex_float(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%a", value);
  return text;
}

[[noreturn]] void refuse_damaged(const std::filesystem::path& path) {
  throw Error(
      ErrorCode::bad_input,
      "The checkpoint \"" + path.string() + "\" is damaged; start the run again with --overwrite.",
      path.string());
}

[[noreturn]] void refuse_unwritten(const std::filesystem::path& path) {
  throw Error(
      ErrorCode::output_not_written,
      "The checkpoint \"" + path.string() +
          "\" could not be written; check that the disk has room and the folder is writable.",
      path.string());
}

}  // namespace

CheckpointFiles::CheckpointFiles(std::filesystem::path folder,
                                 std::function<RunIdentity()> identity, RunSwitch* control,
                                 std::chrono::duration<double> interval)
    : folder_(std::move(folder)),
      identity_(std::move(identity)),
      control_(control),
      interval_(interval) {}

bool CheckpointFiles::exists(const std::filesystem::path& folder) {
  std::error_code failure;
  return std::filesystem::is_regular_file(folder / "header.json", failure);
}

void CheckpointFiles::open() {
  std::ifstream stream(header_path(), std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  RunIdentity stored;
  solve::Position position;
  try {
    const nlohmann::json envelope = nlohmann::json::parse(text.str());
    const std::string body = envelope.at("body").get<std::string>();
    if (envelope.at("sha256").get<std::string>() != sha256(body)) refuse_damaged(header_path());
    const nlohmann::json json = nlohmann::json::parse(body);
    if (json.at("version").get<int>() != kVersion)
      throw Error(
          ErrorCode::bad_input,
          "The checkpoint \"" + header_path().string() +
              "\" was written by another version of Gigawarp; resume with that one or start "
              "again with --overwrite.",
          header_path().string());
    stored.job_digest = json.at("job").get<std::string>();
    stored.inputs = json.at("inputs").get<std::map<std::string, std::string>>();
    generation_ = json.at("generation").get<std::uint64_t>();
    position.stage = json.at("stage").get<int>();
    position.level = json.at("level").get<int>();
    position.iteration = json.at("iteration").get<int>();
    for (const auto& [name, list] : json.at("numbers").items())
      for (const auto& number : list)
        position.numbers[name].push_back(
            std::strtod(number.get_ref<const std::string&>().c_str(), nullptr));
    for (const auto& [name, list] : json.at("numbers").items()) position.numbers[name];
    for (const auto& [name, array] : json.at("arrays").items())
      arrays_[name] = {array.at("file").get<std::string>(), array.at("sha256").get<std::string>(),
                       array.at("bytes").get<std::uint64_t>()};
  } catch (const nlohmann::json::exception&) {
    refuse_damaged(header_path());
  }
  const RunIdentity identity = identity_();
  if (stored.job_digest != identity.job_digest)
    throw Error(
        ErrorCode::usage,
        "The checkpoint in \"" + folder_.string() +
            "\" belongs to a job with other settings; resume with the same options, or start "
            "again with --overwrite.",
        folder_.string());
  if (stored.inputs != identity.inputs)
    throw Error(ErrorCode::usage,
                "The input files have changed since the checkpoint in \"" + folder_.string() +
                    "\" was written; start again with --overwrite.",
                folder_.string());
  position_ = std::move(position);
}

void CheckpointFiles::discard() {
  std::error_code failure;
  std::filesystem::remove(header_path(), failure);  // first: without it there is no checkpoint
  std::filesystem::remove_all(folder_, failure);
}

bool CheckpointFiles::due() {
  return (control_ != nullptr && control_->take_checkpoint_request()) ||
         std::chrono::steady_clock::now() - last_save_ >= interval_;
}

CheckpointFiles::StoredArray CheckpointFiles::write_array(const solve::ArrayRef& array) const {
  StoredArray stored;
  stored.file = array.name + "." + std::to_string(generation_) + ".bin";
  stored.bytes = array.bytes;
  const std::filesystem::path path = folder_ / stored.file;
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  BlockedSha256 hash;
  // One piece is brought while the one before is written.
  std::array<Buffer, 2> pieces;
  const Buffer* full = nullptr;
  std::size_t bytes = 0, number = 0;
  const auto put = [&] {
    if (full == nullptr) return;
    stream.write(reinterpret_cast<const char*>(full->data()), static_cast<std::streamsize>(bytes));
    if (!stream) refuse_unwritten(path);
    hash.update(full->data(), bytes);
  };
  solve::for_each_piece(array.bytes, [&](std::size_t begin, std::size_t count) {
    Buffer& next = pieces[number++ % 2];
    if (next.bytes() < count) next = Buffer(count);
    beside([&] { array.read(begin, count, next.data()); }, put);
    full = &next;
    bytes = count;
  });
  put();
  stream.close();
  if (!stream) refuse_unwritten(path);
  stored.sha256 = hash.finish();
  return stored;
}

void CheckpointFiles::write_header(const solve::Position& position) const {
  const RunIdentity identity = identity_();
  nlohmann::ordered_json json{{"version", kVersion},
                              {"job", identity.job_digest},
                              {"inputs", identity.inputs},
                              {"generation", generation_},
                              {"stage", position.stage},
                              {"level", position.level},
                              {"iteration", position.iteration}};
  json["numbers"] = nlohmann::ordered_json::object();
  for (const auto& [name, values] : position.numbers) {
    json["numbers"][name] = nlohmann::ordered_json::array();
    for (const double value : values) json["numbers"][name].push_back(hex_float(value));
  }
  json["arrays"] = nlohmann::ordered_json::object();
  for (const auto& [name, array] : arrays_)
    json["arrays"][name] = {{"file", array.file}, {"sha256", array.sha256}, {"bytes", array.bytes}};
  const std::string body = json.dump();
  const nlohmann::ordered_json envelope{{"sha256", sha256(body)}, {"body", body}};
  if (!replace_file(header_path(), ".part", envelope.dump() + "\n"))
    refuse_unwritten(header_path());
}

void CheckpointFiles::remove_unnamed_files() const {
  std::set<std::string> named{"header.json"};
  for (const auto& [name, array] : arrays_) named.insert(array.file);
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, failure))
    if (!named.contains(entry.path().filename().string()))
      std::filesystem::remove(entry.path(), failure);
}

void CheckpointFiles::save(const solve::Position& position,
                           std::span<const solve::ArrayRef> arrays) {
  std::error_code failure;
  std::filesystem::create_directories(folder_, failure);
  if (failure) refuse_unwritten(folder_);
  ++generation_;
  std::map<std::string, StoredArray> previous = std::exchange(arrays_, {});
  try {
    for (const solve::ArrayRef& array : arrays) arrays_[array.name] = write_array(array);
    write_header(position);
  } catch (...) {
    arrays_ = std::move(previous);  // the old checkpoint is still whole
    remove_unnamed_files();
    throw;
  }
  remove_unnamed_files();
  last_save_ = std::chrono::steady_clock::now();
  ++saves_;
}

void CheckpointFiles::load(const std::string& name, std::size_t bytes,
                           const solve::ArraySink& sink) {
  const auto found = arrays_.find(name);
  if (found == arrays_.end() || found->second.bytes != bytes) refuse_damaged(folder_ / name);
  const std::filesystem::path path = folder_ / found->second.file;
  std::ifstream stream(path, std::ios::binary);
  BlockedSha256 hash;
  Buffer piece(std::min(solve::kArrayPiece, bytes));
  solve::for_each_piece(bytes, [&](std::size_t begin, std::size_t count) {
    stream.read(reinterpret_cast<char*>(piece.data()), static_cast<std::streamsize>(count));
    if (!stream) refuse_damaged(path);
    hash.update(piece.data(), count);
    sink(begin, count, piece.data());
  });
  if (!stream || stream.peek() != std::ifstream::traits_type::eof()) refuse_damaged(path);
  if (hash.finish() != found->second.sha256) refuse_damaged(path);
}

}  // namespace gigawarp::job
