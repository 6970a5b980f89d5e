// std::mutex with clang's thread-safety annotations: a member that a mutex guards says so, and clang checks
// it.
#pragma once

#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#if defined(__clang__)
#define SONDE_TSA(x) __attribute__((x))
#else
#define SONDE_TSA(x)
#endif
#define SONDE_CAPABILITY(x) SONDE_TSA(capability(x))
#define SONDE_SCOPED_CAPABILITY SONDE_TSA(scoped_lockable)
#define SONDE_GUARDED_BY(x) SONDE_TSA(guarded_by(x))
#define SONDE_REQUIRES(...) SONDE_TSA(requires_capability(__VA_ARGS__))
#define SONDE_ACQUIRE(...) SONDE_TSA(acquire_capability(__VA_ARGS__))
#define SONDE_ACQUIRE_SHARED(...) SONDE_TSA(acquire_shared_capability(__VA_ARGS__))
#define SONDE_RELEASE(...) SONDE_TSA(release_capability(__VA_ARGS__))
#define SONDE_RELEASE_GENERIC(...) SONDE_TSA(release_generic_capability(__VA_ARGS__))
#define SONDE_EXCLUDES(...) SONDE_TSA(locks_excluded(__VA_ARGS__))

namespace sonde {

class SONDE_CAPABILITY("mutex") Mutex {
 public:
  void lock() SONDE_ACQUIRE() { mu_.lock(); }
  void unlock() SONDE_RELEASE() { mu_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mu_;
};

class SONDE_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mu) SONDE_ACQUIRE(mu) : mu_(mu) { mu_.lock(); }
  ~MutexLock() SONDE_RELEASE() { mu_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

class SONDE_CAPABILITY("shared mutex") SharedMutex {
 public:
  void lock() SONDE_ACQUIRE() { mu_.lock(); }
  void unlock() SONDE_RELEASE() { mu_.unlock(); }
  void lock_shared() SONDE_ACQUIRE_SHARED() { mu_.lock_shared(); }
  void unlock_shared() SONDE_RELEASE_GENERIC() { mu_.unlock_shared(); }

 private:
  std::shared_mutex mu_;
};

class SONDE_SCOPED_CAPABILITY WriterLock {
 public:
  explicit WriterLock(SharedMutex& mu) SONDE_ACQUIRE(mu) : mu_(mu) { mu_.lock(); }
  ~WriterLock() SONDE_RELEASE() { mu_.unlock(); }
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  SharedMutex& mu_;
};

class SONDE_SCOPED_CAPABILITY ReaderLock {
 public:
  explicit ReaderLock(SharedMutex& mu) SONDE_ACQUIRE_SHARED(mu) : mu_(mu) { mu_.lock_shared(); }
  ~ReaderLock() SONDE_RELEASE_GENERIC() { mu_.unlock_shared(); }
  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;

 private:
  SharedMutex& mu_;
};

// A condition variable for `Mutex`. Waits may end early; callers loop over their condition.
class CondVar {
 public:
  void wait(Mutex& mu) SONDE_REQUIRES(mu) {
    std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
    cv_.wait(lock);
    lock.release();
  }
  // False when `nanoseconds` passed without a notification.
  bool wait_for_ns(Mutex& mu, int64_t nanoseconds) SONDE_REQUIRES(mu) {
    std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
    bool notified = cv_.wait_for(lock, std::chrono::nanoseconds(nanoseconds)) == std::cv_status::no_timeout;
    lock.release();
    return notified;
  }
  void notify_one() { cv_.notify_one(); }
  void notify_all() { cv_.notify_all(); }

 private:
  std::condition_variable cv_;
};

}  // namespace sonde
