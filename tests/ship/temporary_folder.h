// A folder of real files for one test.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/sonde_ship_XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

  void append(const std::string& name, const std::string& text) const {
    std::ofstream(path_ + "/" + name, std::ios::app | std::ios::binary) << text;
  }
  void rename(const std::string& from, const std::string& to) const {
    std::filesystem::rename(path_ + "/" + from, path_ + "/" + to);
  }
  void copy(const std::string& from, const std::string& to) const {
    std::filesystem::copy_file(path_ + "/" + from, path_ + "/" + to);
  }
  void truncate(const std::string& name) const { (void)!::truncate((path_ + "/" + name).c_str(), 0); }
  // Lets the clock of the file system move on, so that files changed from here on are newer.
  static void tick() { usleep(15'000); }

 private:
  std::string path_;
};
