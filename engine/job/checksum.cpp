#include "job/checksum.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <vector>

#include "base/parallel.h"
#include "gigawarp/error.h"
#include "io/http.h"

namespace gigawarp::job {

namespace {

void require(int success) {
  if (success != 1)
    throw Error(ErrorCode::internal, "OpenSSL could not compute a SHA-256 checksum.");
}

void update_from_file(Sha256& hash, const std::filesystem::path& path,
                      const std::stop_token& stop) {
  std::ifstream stream(path, std::ios::binary);
  std::vector<char> chunk(std::size_t{1} << 18);
  while (stream) {
    if (stop.stop_requested())
      throw Error(ErrorCode::cancelled, "The checksums were cancelled; nothing was written.");
    stream.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    hash.update(chunk.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (!stream.eof())
    throw Error(
        ErrorCode::bad_input,
        "\"" + path.string() + "\" could not be read; check that it exists and is readable.",
        path.string());
}

}  // namespace

struct Sha256::State {
  struct Free {
    void operator()(EVP_MD_CTX* digest) const { EVP_MD_CTX_free(digest); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  require(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr));
}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(const void* data, std::size_t bytes) {
  require(EVP_DigestUpdate(state_->context.get(), data, bytes));
}

std::string Sha256::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  require(EVP_DigestFinal_ex(state_->context.get(), digest.data(), &size));
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
  }
  return text;
}

std::string sha256(std::string_view text) {
  Sha256 hash;
  hash.update(text.data(), text.size());
  return hash.finish();
}

void BlockedSha256::update(const void* data, std::size_t bytes) {
  constexpr std::size_t kBlock = std::size_t{1} << 20;
  std::vector<std::string> digests((bytes + kBlock - 1) / kBlock);
  parallel_for(static_cast<std::int64_t>(digests.size()), [&](std::int64_t i) {
    const std::size_t begin = static_cast<std::size_t>(i) * kBlock;
    Sha256 block;
    block.update(static_cast<const std::byte*>(data) + begin, std::min(kBlock, bytes - begin));
    digests[static_cast<std::size_t>(i)] = block.finish();
  });
  for (const std::string& digest : digests) whole_.update(digest.data(), digest.size());
}

namespace {
std::string digest_of_one(const std::filesystem::path& path, const std::stop_token& stop) {
  Sha256 hash;
  update_from_file(hash, path, stop);
  return hash.finish();
}
}  // namespace

std::string sha256_of_file(const std::filesystem::path& path, const std::stop_token& stop) {
  Sha256 hash;
  if (io::is_address(path)) {
    for (const char* name : {"zarr.json", ".zgroup", ".zattrs", ".zarray"})
      if (const auto text = io::stored_text(path / name)) {
        hash.update(name, std::string_view(name).size() + 1);
        hash.update(text->data(), text->size());
      }
    return hash.finish();
  }
  std::error_code failure;
  if (!std::filesystem::is_directory(path, failure)) return digest_of_one(path, stop);
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path, failure))
    if (entry.is_regular_file(failure)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> digests(files.size());
  parallel_for(static_cast<std::int64_t>(files.size()), [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    digests[at] = digest_of_one(files[at], stop);
  });
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string name = files[i].lexically_relative(path).string();
    hash.update(name.c_str(), name.size() + 1);
    hash.update(digests[i].data(), digests[i].size());
  }
  return hash.finish();
}

}  // namespace gigawarp::job
