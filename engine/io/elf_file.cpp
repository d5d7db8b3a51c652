#include "io/elf_file.h"

#include <elf.h>

#include <cstring>
#include <span>
#include <vector>

#include "gigawarp/error.h"
#include "io/random_file.h"

namespace gigawarp::io {

namespace {
bool lies_within(std::uint64_t offset, std::uint64_t bytes, std::uint64_t size) {
  return offset <= size && bytes <= size - offset;
}

/// Every part that is mapped, and the table of sections at the end, lies in the file.
bool is_whole(const RandomFile& file, const Elf64_Ehdr& header) {
  if (header.e_phentsize != sizeof(Elf64_Phdr) ||
      !lies_within(header.e_phoff, std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr),
                   file.size()) ||
      !lies_within(header.e_shoff, std::uint64_t{header.e_shnum} * header.e_shentsize, file.size()))
    return false;
  std::vector<Elf64_Phdr> parts(header.e_phnum);
  file.read(header.e_phoff, std::as_writable_bytes(std::span(parts)));
  for (const Elf64_Phdr& part : parts)
    if (!lies_within(part.p_offset, part.p_filesz, file.size())) return false;
  return true;
}
}  // namespace

std::string why_no_library(const std::filesystem::path& path) {
  try {
    const RandomFile file(path);
    Elf64_Ehdr header{};
    if (file.is_missing()) return "it is not there";
    if (file.size() < sizeof header) return "it is no shared library";
    file.read(0, std::as_writable_bytes(std::span(&header, 1)));
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_type != ET_DYN)
      return "it is no shared library";
    return is_whole(file, header) ? "" : "it is cut off; copy it again";
  } catch (const Error&) {
    return "it cannot be read";
  }
}

}  // namespace gigawarp::io
