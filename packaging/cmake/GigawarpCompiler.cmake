# Compiler settings shared by every target.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# Asserts stay on: they guard indices, not inner loops.
set(CMAKE_CXX_FLAGS_RELEASE "-O3")
set(GIGAWARP_DEBUG_INFO -g CACHE STRING "Debug information of RelWithDebInfo; -g1 (lines only) builds a fifth faster")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 ${GIGAWARP_DEBUG_INFO}")

find_program(GIGAWARP_CCACHE ccache)
if(GIGAWARP_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${GIGAWARP_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${GIGAWARP_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${GIGAWARP_CCACHE})
endif()

set(GIGAWARP_LINKER "" CACHE STRING "Linker to take where it is installed, e.g. lld; empty: the compiler's own")
if(GIGAWARP_LINKER)
  find_program(GIGAWARP_LINKER_PROGRAM ld.${GIGAWARP_LINKER})
  if(GIGAWARP_LINKER_PROGRAM)
    add_link_options(-fuse-ld=${GIGAWARP_LINKER})
  endif()
endif()

if(GIGAWARP_SANITIZE)
  # With what these two put in, -O2 compiles for half as long again as -O1, and its tests run only a seventh faster.
  if(GIGAWARP_SANITIZE STREQUAL "address,undefined")
    set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 ${GIGAWARP_DEBUG_INFO}")
  endif()
  add_compile_options(-fsanitize=${GIGAWARP_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${GIGAWARP_SANITIZE})
endif()

# gigawarp_library(name [sources...]): a static library of the sources of its folder, with warnings.
function(gigawarp_library name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp
       ${CMAKE_CURRENT_SOURCE_DIR}/*.h)
  add_library(${name} STATIC ${sources} ${ARGN})
  gigawarp_warnings(${name})
endfunction()

function(gigawarp_warnings name)
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow
                                         -Wno-unknown-pragmas>
                         # GCC 12 sees an overlap in every "text" + std::string (GCC bug 105651).
                         $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>)
  if(GIGAWARP_WARNINGS_AS_ERRORS)
    target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
  endif()
endfunction()
