# sonde_embed(TARGET DIR folder FUNCTION name): a static library that carries the files of a folder, gzipped.
# They are read at build time; a folder that does not exist gives an empty table.
function(sonde_embed target)
  cmake_parse_arguments(E "" "DIR;FUNCTION" "" ${ARGN})
  if(NOT TARGET embedgen)
    find_package(ZLIB REQUIRED)
    add_executable(embedgen ${PROJECT_SOURCE_DIR}/cmake/embedgen.cc)
    target_compile_features(embedgen PRIVATE cxx_std_20)
    target_link_libraries(embedgen PRIVATE ZLIB::ZLIB)
  endif()
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${E_DIR}/*)
  set(stem ${CMAKE_CURRENT_BINARY_DIR}/${E_FUNCTION})
  add_custom_command(
    OUTPUT ${stem}.gz ${stem}.S ${stem}.cc
    COMMAND embedgen ${E_DIR} ${stem} ${E_FUNCTION}
    DEPENDS embedgen ${files}
    COMMENT "Packing ${E_DIR}"
    VERBATIM)
  add_library(${target} STATIC ${stem}.S ${stem}.cc)
  # The assembler reads the bytes; its dependency scan does not see .incbin.
  set_source_files_properties(${stem}.S PROPERTIES OBJECT_DEPENDS ${stem}.gz)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/server)
endfunction()
