#pragma once
// Includes ITK: for the .cpp files of this folder only.
#include <itkImageIOBase.h>

#include <filesystem>
#include <mutex>

#include "io/convert.h"
#include "io/file_support.h"
#include "io/itk_images.h"

namespace gigawarp::io {

/// Switches the warnings of ITK, GDCM and HDF5 off, once.
void quiet_libraries();

/// Sends what C libraries print on standard error to nowhere while it lives: MetaIO and libminc
/// complain there about damaged files and have no switch. Works on the descriptor, for the whole
/// process, so it is held for single calls only; one at a time.
class QuietStandardError {
 public:
  explicit QuietStandardError(bool active);
  ~QuietStandardError();
  QuietStandardError(const QuietStandardError&) = delete;
  QuietStandardError& operator=(const QuietStandardError&) = delete;

 private:
  std::unique_lock<std::mutex> lock_;
  int saved_ = -1;
};

itk::ImageIOBase::Pointer make_image_io(ItkFormat format);

/// What an ITK reader found, with the voxel type refused where it has no place here.
struct ItkHeader {
  Grid grid;
  FileType type;
  int channels = 1;
};
ItkHeader itk_header_of(itk::ImageIOBase& io, const std::filesystem::path& path);

/// First line of an ITK exception, as the end of a sentence.
std::string reason_of(const itk::ExceptionObject& error);

/// Runs `work`; ITK and standard exceptions become one Error{bad_input} naming the file.
template <class F>
auto translated(const std::filesystem::path& path, F&& work) {
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const itk::ExceptionObject& error) {
    refuse(path, "could not be read: it is damaged or not of the type its name says (" +
                     reason_of(error) + ").");
  } catch (const std::bad_alloc&) {
    refuse(path, "could not be read: its header asks for more memory than there is.");
  } catch (const std::exception& error) {
    refuse(path, std::string("could not be read: it is damaged (") + error.what() + ").");
  } catch (...) {  // HDF5's C++ exceptions share no base class with the standard ones
    refuse(path, "could not be read: it is damaged or not of the type its name says.");
  }
}

}  // namespace gigawarp::io
