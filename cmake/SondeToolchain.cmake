# Compiler, warnings and hardening, in one place. Sets flags through the interface target `sonde_flags`,
# so that a host which adds libsonde by add_subdirectory() keeps its own flags.

if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
    find_program(SONDE_CCACHE ccache)
    if(SONDE_CCACHE)
      set(CMAKE_CXX_COMPILER_LAUNCHER ${SONDE_CCACHE})
      set(CMAKE_C_COMPILER_LAUNCHER ${SONDE_CCACHE})
    endif()
  endif()
  find_program(SONDE_LLD NAMES ld.lld ld.lld-19)
  if(SONDE_LLD)
    add_link_options(-fuse-ld=lld)
  endif()
endif()

set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
set(CMAKE_C_FLAGS_RELEASE "-O2")
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")
set(CMAKE_C_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")

add_library(sonde_flags INTERFACE)
target_compile_options(sonde_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough -Wno-missing-field-initializers -Werror
  $<$<CXX_COMPILER_ID:GNU>:-Wno-error=maybe-uninitialized -Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wno-deprecated-declarations>
  -fvisibility=hidden)

if(SONDE_SANITIZE)
  target_compile_options(sonde_flags INTERFACE -fsanitize=${SONDE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SONDE_SANITIZE})
  if(SONDE_SANITIZE STREQUAL "thread")
    # Asio's fences are beyond the sanitizer; its locks and queues are not.
    target_compile_options(sonde_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  endif()
  if(SONDE_FUZZ)
    target_compile_options(sonde_flags INTERFACE -fsanitize=fuzzer-no-link)
  endif()
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(sonde_flags INTERFACE
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -D_GLIBCXX_ASSERTIONS
    -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -ftrivial-auto-var-init=zero -fPIE)
endif()

if(PROJECT_IS_TOP_LEVEL AND CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT SONDE_SANITIZE)
  set(SONDE_HARDENED_LINK -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code)
endif()
