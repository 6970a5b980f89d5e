// What fork() does to the library. Before it, the locks that guard data are taken; after it both sides
// release them, and the child starts over: counters at zero, inherited lines and spans discarded (the parent
// writes them), threads restarted when there is something to do, ids seeded anew.
#pragma once

namespace sonde::inline v1::detail {

void install_fork_handlers() noexcept;

// Provided by the parts that have state.
void lock_registry_for_fork() noexcept;
void unlock_registry_after_fork() noexcept;
void reset_lanes_after_fork() noexcept;
void reset_scrape_after_fork() noexcept;
void reset_loggers_after_fork() noexcept;
void reset_ids_after_fork() noexcept;
void lock_pipeline_for_fork() noexcept;
void unlock_pipeline_after_fork() noexcept;
void reset_pipeline_after_fork() noexcept;

}  // namespace sonde::inline v1::detail
