#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

namespace gigawarp::job {

/// SHA-256 of a stream of bytes (OpenSSL, Apache-2.0).
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();
  void update(const void* data, std::size_t bytes);
  /// Lower-case hexadecimal; ends the stream.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256(std::string_view text);

/// SHA-256 of the SHA-256 of blocks, which threads make side by side: for what nobody but us
/// compares. Whoever checks gives the same pieces as whoever made it.
class BlockedSha256 {
 public:
  void update(const void* data, std::size_t bytes);
  std::string finish() { return whole_.finish(); }

 private:
  Sha256 whole_;
};

/// Digest of a file; of a folder (a DICOM series, an OME-Zarr), of the names and digests of all
/// files below it in the order of their names; of what lies behind an address, of its metadata
/// alone.
/// Throws Error{bad_input} when it cannot be read, and Error{cancelled} when stopped.
std::string sha256_of_file(const std::filesystem::path& path, const std::stop_token& stop = {});

}  // namespace gigawarp::job
