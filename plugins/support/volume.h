#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "gigawarp/plugin.h"

/// What C++ plugins say through the C interface: volumes as classes, errors as exceptions that end
/// here. Compiled into each plugin; hidden, so that two plugins never share it.
namespace plugin {

/// A sentence for the person who chose the file.
class Refusal : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws `The file "<path>" <rest>`; `rest` ends with a full stop.
[[noreturn]] inline void refuse(const std::string& path, const std::string& rest) {
  throw Refusal("The file \"" + path + "\" " + rest);
}

/// A description that owns what it points to.
struct Description {
  std::string format;
  GigawarpType type = GIGAWARP_U8;
  std::int32_t channels = 1;
  bool labels = false;
  std::vector<GigawarpLevel> levels;
  bool has_unit = false;  ///< false: the file says nothing of voxel sizes
  std::string unit;
  std::vector<std::string> notes;
  std::vector<std::string> channel_names;  ///< of all channels, or empty
};

/// An open volume. read() is called from many threads at once.
class Volume {
 public:
  virtual ~Volume() = default;
  virtual std::int32_t timepoints() const { return 1; }
  virtual Description describe(std::int32_t timepoint) = 0;
  virtual void read(const GigawarpBox& box, void* out, std::uint64_t out_bytes) const = 0;
};

inline std::int32_t width_of(GigawarpType type) {
  constexpr std::int32_t kWidths[] = {1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  return kWidths[type];
}

inline void say(GigawarpError* error, const char* text) noexcept {
  const std::size_t n = std::min(std::strlen(text), sizeof error->text - 1);
  std::memcpy(error->text, text, n);
  error->text[n] = '\0';
}

/// Runs `work`; what it throws becomes a code and a sentence.
template <class Work>
std::int32_t guarded(GigawarpError* error, Work&& work) noexcept {
  try {
    work();
    return GIGAWARP_OK;
  } catch (const Refusal& refusal) {
    say(error, refusal.what());
    return GIGAWARP_BAD_INPUT;
  } catch (const std::bad_alloc&) {
    say(error, "There is not enough memory to read the volume; close other programs.");
    return GIGAWARP_NO_MEMORY;
  } catch (const std::exception& failure) {
    say(error, failure.what());
    return GIGAWARP_FAILED;
  }
}

/// The host's parallel_for over a callable; the first exception comes out of the call.
template <class Work>
void parallel_for(const GigawarpHost& host, std::int64_t count, Work&& work) {
  struct State {
    std::remove_reference_t<Work>& work;
    std::mutex mutex{};
    std::exception_ptr failure{};
  } state{work};
  host.parallel_for(
      count,
      [](void* context, std::int64_t i) {
        auto& s = *static_cast<State*>(context);
        try {
          s.work(i);
        } catch (...) {
          const std::lock_guard lock(s.mutex);
          if (!s.failure) s.failure = std::current_exception();
        }
      },
      &state);
  if (state.failure) std::rethrow_exception(state.failure);
}

/// What GigawarpVolume points to.
struct Handle {
  std::unique_ptr<Volume> volume;
  Description description;
  std::vector<const char*> notes, channel_names;
};

inline Handle& handle_of(GigawarpVolume* volume) { return *reinterpret_cast<Handle*>(volume); }

/// The functions of a format, of `Open`: a function from a path to a std::unique_ptr<Volume>, and
/// `Probe`: from a GigawarpFile to a GigawarpProbe. Both may throw.
template <auto Open, auto Probe>
GigawarpFormat format(const char* name, const char* description, const char* const* endings,
                      std::uint32_t flags) {
  GigawarpFormat out{};
  out.struct_bytes = sizeof out;
  out.name = name;
  out.description = description;
  out.endings = endings;
  out.flags = flags;
  out.probe = [](const GigawarpFile* file) noexcept -> std::int32_t {
    try {
      return Probe(*file);
    } catch (const std::exception&) {
      return GIGAWARP_NO;
    }
  };
  out.open = [](const char* path, GigawarpVolume** volume, std::int32_t* timepoints,
                GigawarpError* error) noexcept -> std::int32_t {
    return guarded(error, [&] {
      auto handle = std::make_unique<Handle>();
      handle->volume = Open(std::string(path));
      *timepoints = handle->volume->timepoints();
      *volume = reinterpret_cast<GigawarpVolume*>(handle.release());
    });
  };
  out.describe = [](GigawarpVolume* volume, std::int32_t timepoint, GigawarpDescription* to,
                    GigawarpError* error) noexcept -> std::int32_t {
    return guarded(error, [&] {
      Handle& handle = handle_of(volume);
      handle.description = handle.volume->describe(timepoint);
      const Description& from = handle.description;
      handle.notes.clear();
      for (const std::string& note : from.notes) handle.notes.push_back(note.c_str());
      to->format = from.format.c_str();
      to->type = from.type;
      to->channels = from.channels;
      to->labels = from.labels ? 1 : 0;
      to->level_count = static_cast<std::int32_t>(from.levels.size());
      to->levels = from.levels.data();
      to->unit = from.has_unit ? from.unit.c_str() : nullptr;
      to->note_count = static_cast<std::int32_t>(handle.notes.size());
      to->notes = handle.notes.data();
      if (to->struct_bytes < sizeof(GigawarpDescription)) return;  // an older Gigawarp
      handle.channel_names.clear();
      for (const std::string& channel : from.channel_names)
        handle.channel_names.push_back(channel.c_str());
      to->channel_names = handle.channel_names.empty() ? nullptr : handle.channel_names.data();
    });
  };
  out.read = [](GigawarpVolume* volume, const GigawarpBox* box, void* to, std::uint64_t bytes,
                GigawarpError* error) noexcept -> std::int32_t {
    return guarded(error, [&] { handle_of(volume).volume->read(*box, to, bytes); });
  };
  out.close = [](GigawarpVolume* volume) noexcept { delete &handle_of(volume); };
  return out;
}

}  // namespace plugin
