#include <map>
#include <optional>

#include "base/mutex.h"
#include "config/prometheus_config.h"
#include "config/yaml.h"
#include "discovery/discoverer.h"

namespace sonde::discovery {
namespace {

constexpr size_t kFileBytesMax = 16u << 20;
constexpr size_t kTargetsMax = 100'000;

// '*' stands for any run of characters; nothing else is special.
bool glob_matches(std::string_view pattern, std::string_view name) {
  size_t star = std::string_view::npos, mark = 0, p = 0, n = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      p++;
      n++;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') p++;
  return p == pattern.size();
}

class FileDiscoverer final : public Discoverer {
 public:
  FileDiscoverer(FileSystem& fs, Scheduler& scheduler, FileDiscoveryOptions options)
      : shared_(std::make_shared<Shared>(fs, scheduler, std::move(options))) {}

  ~FileDiscoverer() override {
    MutexLock lock(shared_->mu);
    shared_->stopped = true;
  }

  void start(OnGroups on_groups) override {
    MutexLock lock(shared_->mu);
    shared_->on_groups = std::move(on_groups);
    shared_->refresh(true);
    shared_->arm();
  }

  std::vector<std::string> errors() const override {
    MutexLock lock(shared_->mu);
    std::vector<std::string> out;
    for (const auto& [path, file] : shared_->files) {
      if (!file.error.empty()) out.push_back(file.error);
    }
    return out;
  }

 private:
  struct WatchedFile {
    std::optional<std::string> text;  // as last read
    std::vector<TargetGroup> groups;
    std::string parse_error;  // of that text
    std::string error;        // that, or why it could not be read again
  };

  // Outlives the discoverer while a timer is pending.
  struct Shared : std::enable_shared_from_this<Shared> {
    Shared(FileSystem& f, Scheduler& s, FileDiscoveryOptions o)
        : fs(f), scheduler(s), options(std::move(o)) {}
    FileSystem& fs;
    Scheduler& scheduler;
    const FileDiscoveryOptions options;
    Mutex mu;
    OnGroups on_groups SONDE_GUARDED_BY(mu);
    std::map<std::string, WatchedFile> files SONDE_GUARDED_BY(mu);
    bool stopped SONDE_GUARDED_BY(mu) = false;

    std::vector<std::string> matching_paths() const {
      std::vector<std::string> out;
      for (const std::string& pattern : options.patterns) {
        if (pattern.find('*') == std::string::npos) {
          if (fs.exists(pattern)) out.push_back(pattern);
          continue;
        }
        size_t slash = pattern.rfind('/');
        std::string dir = slash == std::string::npos ? "." : pattern.substr(0, slash);
        std::string_view name_pattern =
            std::string_view(pattern).substr(slash == std::string::npos ? 0 : slash + 1);
        auto names = fs.list(dir);
        if (!names) continue;
        for (const std::string& name : *names) {
          if (glob_matches(name_pattern, name))
            out.push_back(slash == std::string::npos ? name : dir + "/" + name);
        }
      }
      return out;
    }

    // Reads every file again; a file that cannot be read or parsed keeps the groups it had.
    void refresh(bool report_always) SONDE_REQUIRES(mu) {
      bool changed = report_always;
      std::map<std::string, WatchedFile> next;
      for (const std::string& path : matching_paths()) {
        WatchedFile file;
        if (auto known = files.find(path); known != files.end()) file = known->second;
        auto text = config::read_bounded(fs, path, kFileBytesMax);
        if (!text) {
          file.error = text.error().to_string();
        } else if (file.text == *text) {
          file.error = file.parse_error;
        } else {
          file.text = *text;
          file.parse_error.clear();
          if (auto groups = parse_target_file(*text, path)) {
            file.groups = std::move(*groups);
            changed = true;
          } else {
            file.parse_error = groups.error().to_string();
          }
          file.error = file.parse_error;
        }
        next.emplace(path, std::move(file));
      }
      for (const auto& [path, file] : files) changed |= !next.contains(path);
      files = std::move(next);
      if (!changed) return;
      std::vector<TargetGroup> all;
      for (const auto& [path, file] : files) all.insert(all.end(), file.groups.begin(), file.groups.end());
      on_groups(std::move(all));
    }

    void arm() {
      scheduler.after(options.check_interval, [weak = weak_from_this()] {
        auto self = weak.lock();
        if (!self) return;
        {
          MutexLock lock(self->mu);
          if (self->stopped) return;
          self->refresh(false);
        }
        self->arm();
      });
    }
  };

  std::shared_ptr<Shared> shared_;
};

}  // namespace

Result<std::vector<TargetGroup>> parse_target_file(std::string_view text, const std::string& path) {
  SONDE_TRY(config::NodePtr root, config::parse_yaml(text, path));
  SONDE_TRY(auto groups, config::read_target_groups(*root, path));
  std::vector<TargetGroup> out;
  size_t targets = 0;
  for (const config::TargetGroup& g : groups) {
    TargetGroup group;
    group.source = g.source;
    targets += g.targets.size();
    if (targets > kTargetsMax)
      return fail(root->error("more than " + std::to_string(kTargetsMax) + " targets"));
    for (const std::string& address : g.targets) {
      if (address.empty()) return fail(root->error("target group " + g.source + ": empty target address"));
      group.targets.push_back(LabelSet{{"__address__", address}});
    }
    group.labels = LabelBuilder(g.labels).set("__meta_filepath", path).build();
    out.push_back(std::move(group));
  }
  return out;
}

std::unique_ptr<Discoverer> make_file_discoverer(FileSystem& fs, Scheduler& scheduler,
                                                 FileDiscoveryOptions options) {
  return std::make_unique<FileDiscoverer>(fs, scheduler, std::move(options));
}

}  // namespace sonde::discovery
