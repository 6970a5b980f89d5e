#include "base/file_system.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/faulty_file_system.h"

using namespace sonde;

namespace {

// The same behaviour is asked of the real file system and of the one in memory.
void check_contract(FileSystem& fs, const std::string& root) {
  std::string dir = root + "/a/b";
  REQUIRE(fs.create_directories(dir));
  REQUIRE(fs.create_directories(dir));
  CHECK(fs.open(dir + "/x", OpenMode::kRead).error().code == ErrorCode::kNotFound);
  {
    auto file = fs.open(dir + "/x", OpenMode::kCreateNew);
    REQUIRE(file);
    REQUIRE((*file)->write_at(3, as_byte_span("abc")));
    REQUIRE((*file)->sync_data());
    CHECK(*(*file)->size() == 6);
    std::string got(10, '?');
    CHECK(*(*file)->read_at(2, as_writable_byte_span(got)) == 4);
    CHECK(got.substr(0, 4) == std::string("\0abc", 4));
    CHECK(*(*file)->read_at(100, as_writable_byte_span(got)) == 0);
    REQUIRE((*file)->preallocate(5000));
    CHECK(*(*file)->size() == 5000);
    REQUIRE((*file)->preallocate(100));
    CHECK(*(*file)->size() == 5000);
    REQUIRE((*file)->truncate(4));
    CHECK(*(*file)->size() == 4);
  }
  CHECK(fs.open(dir + "/x", OpenMode::kCreateNew).error().code == ErrorCode::kConflict);
  CHECK(fs.open(dir + "/x", OpenMode::kCreate));
  CHECK(*fs.read_file(dir + "/x") == std::string("\0\0\0a", 4));
  REQUIRE(fs.write_file_atomically(dir + "/y", "one"));
  REQUIRE(fs.write_file_atomically(dir + "/y", "two, longer"));
  REQUIRE(fs.write_file_atomically(dir + "/y", "3"));
  CHECK(*fs.read_file(dir + "/y") == "3");
  CHECK(*fs.list(dir) == std::vector<std::string>{"x", "y"});
  CHECK(*fs.list(root + "/a") == std::vector<std::string>{"b"});
  REQUIRE(fs.rename(dir + "/x", dir + "/z"));
  REQUIRE(fs.sync_directory(dir));
  CHECK_FALSE(fs.exists(dir + "/x"));
  CHECK(fs.exists(dir + "/z"));
  REQUIRE(fs.remove(dir + "/z"));
  CHECK(fs.remove(dir + "/z").error().code == ErrorCode::kNotFound);
  CHECK(fs.space(root)->free_bytes > 0);
  {
    auto lock = fs.lock(root + "/lock");
    REQUIRE(lock);
    auto second = fs.lock(root + "/lock");
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::kConflict);
    CHECK(second.error().message.find("in use by process") != std::string::npos);
  }
  CHECK(fs.lock(root + "/lock"));
  REQUIRE(fs.remove_all(root + "/a"));
  CHECK_FALSE(fs.exists(root + "/a"));
}

}  // namespace

TEST_CASE("file system: the real one keeps the contract") {
  char name[] = "/tmp/sonde_fs_XXXXXX";
  REQUIRE(mkdtemp(name));
  auto fs = make_posix_file_system();
  check_contract(*fs, name);
  auto lock = fs->lock(std::string(name) + "/lock");
  auto second = fs->lock(std::string(name) + "/lock");
  CHECK(second.error().message.find(std::to_string(getpid())) != std::string::npos);
  REQUIRE(fs->remove_all(name));
}

TEST_CASE("file system: the faulty one keeps the contract while it has no fault") {
  FaultyFileSystem fs;
  check_contract(fs, "root");
}

TEST_CASE("faulty file system: a power cut takes what was not synced, names included") {
  FaultyFileSystem fs;
  REQUIRE(fs.create_directories("d"));
  auto write = [&](const std::string& path, std::string_view data, bool sync) {
    auto file = fs.open(path, OpenMode::kCreate);
    REQUIRE((*file)->write_at(0, as_byte_span(data)));
    if (sync) REQUIRE((*file)->sync_data());
  };
  write("d/kept", "old", true);
  REQUIRE(fs.sync_directory("d"));
  write("d/kept", "new", false);
  write("d/unnamed", "synced, but its name is not", true);
  auto open_file = fs.open("d/kept", OpenMode::kReadWrite);
  fs.crash();
  CHECK(*fs.read_file("d/kept") == "old");
  CHECK_FALSE(fs.exists("d/unnamed"));
  CHECK_FALSE((*open_file)->sync_data());

  // A failed sync loses its pages for good, even if the next one succeeds.
  auto file = fs.open("d/kept", OpenMode::kReadWrite);
  REQUIRE((*file)->write_at(0, as_byte_span("NEW")));
  fs.fail_at(FileOp::kSync, 1, ErrorCode::kIo);
  CHECK_FALSE((*file)->sync_data());
  CHECK((*file)->sync_data());
  CHECK(*fs.read_file("d/kept") == "NEW");
  fs.crash();
  CHECK(*fs.read_file("d/kept") == "old");
}

TEST_CASE("file system: an atomic write is whole or absent wherever the power goes or the write fails") {
  bool fired = true;
  for (uint64_t nth = 1; fired; nth++) {
    FaultyFileSystem fs;
    REQUIRE(fs.create_directories("d"));
    REQUIRE(fs.write_file_atomically("d/f", "old"));
    fs.lose_power_at(nth);
    bool ok = fs.write_file_atomically("d/f", "new").has_value();
    fired = fs.fault_fired();
    fs.crash();
    std::string got = *fs.read_file("d/f");
    CHECK((got == "new" || (!ok && got == "old")));
  }
  FaultyFileSystem full;
  REQUIRE(full.create_directories("d"));
  REQUIRE(full.write_file_atomically("d/f", "old"));
  full.limit_space(10);
  CHECK(full.write_file_atomically("d/f", std::string(100, 'x')).error().code == ErrorCode::kNoSpace);
  CHECK(*full.read_file("d/f") == "old");
  CHECK(full.used_bytes() == 3);
}
