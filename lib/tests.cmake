# The tests of libsonde: one binary for the behaviour, one object per public header, and sources that must not compile.

sonde_test(lib_test SOURCES ${SONDE_LIB_TESTS} LIBS sonde $<TARGET_NAME_IF_EXISTS:sonde_otlp> LABELS unit lib threads)
target_include_directories(lib_test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
target_compile_features(lib_test PRIVATE cxx_std_20)

if(TARGET sonde_otlp)
  target_compile_definitions(lib_test PRIVATE SONDE_HAVE_OTLP)
endif()

# Misuse that must not compile. The first source is correct: without it a broken compiler call would pass for success.
file(GLOB SONDE_MISUSES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/metrics/misuse/*.in)
foreach(source ${SONDE_MISUSES})
  get_filename_component(stem ${source} NAME_WE)
  add_test(NAME lib_misuse_${stem} COMMAND ${CMAKE_CXX_COMPILER} -std=c++20 -fsyntax-only -x c++
           -I ${CMAKE_CURRENT_SOURCE_DIR}/include ${source})
  set_tests_properties(lib_misuse_${stem} PROPERTIES LABELS "unit;lib;compile" TIMEOUT 60)
  # The first line of each names the message; the correct one has none.
  file(STRINGS ${source} first LIMIT_COUNT 1)
  string(REGEX REPLACE "^// (error: )?" "" expected "${first}")
  if(first MATCHES "^// error: ")
    set_tests_properties(lib_misuse_${stem} PROPERTIES PASS_REGULAR_EXPRESSION "${expected}")
  endif()
endforeach()

# Each public header alone, as a host without exceptions and RTTI sees it.
file(GLOB SONDE_PUBLIC_HEADERS CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/include/sonde/*.h
                                               ${CMAKE_CURRENT_SOURCE_DIR}/include/sonde/detail/*.h)
set(header_sources)
foreach(header ${SONDE_PUBLIC_HEADERS})
  file(RELATIVE_PATH relative ${CMAKE_CURRENT_SOURCE_DIR}/include ${header})
  string(MAKE_C_IDENTIFIER ${relative} stem)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/header_alone/${stem}.cc)
  file(CONFIGURE OUTPUT ${source} CONTENT "#include \"${relative}\"\n#include \"${relative}\"\n" @ONLY)
  list(APPEND header_sources ${source})
endforeach()
add_library(sonde_headers_alone OBJECT ${header_sources})
target_include_directories(sonde_headers_alone PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/include)
target_compile_features(sonde_headers_alone PRIVATE cxx_std_20)
target_compile_options(sonde_headers_alone PRIVATE -fno-exceptions -fno-rtti)
target_link_libraries(sonde_headers_alone PRIVATE sonde_flags)
add_test(NAME lib_headers_alone
         COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --target sonde_headers_alone)
set_tests_properties(lib_headers_alone PROPERTIES LABELS "unit;lib;compile" TIMEOUT 300)
