#include "runtime/fork.h"

#include <pthread.h>

namespace sonde::inline v1::detail {

namespace {

void before_fork() {
  lock_pipeline_for_fork();
  lock_registry_for_fork();
}

void in_parent() {
  unlock_registry_after_fork();
  unlock_pipeline_after_fork();
}

void in_child() {
  unlock_registry_after_fork();
  unlock_pipeline_after_fork();
  reset_lanes_after_fork();
  reset_scrape_after_fork();
  reset_loggers_after_fork();
  reset_ids_after_fork();
  reset_pipeline_after_fork();
}

}  // namespace

void install_fork_handlers() noexcept { pthread_atfork(before_fork, in_parent, in_child); }

}  // namespace sonde::inline v1::detail
