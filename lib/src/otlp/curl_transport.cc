#include <curl/curl.h>

#include <algorithm>
#include <new>
#include <string>

#include "sonde/otlp.h"

namespace sonde::inline v1::otlp {

namespace {

constexpr size_t kResponseBytesMax = 64 << 10;

// Answers are counted, not kept: a collector that sends more than the limit is cut off.
size_t count_body(char*, size_t size, size_t count, void* seen) {
  auto& total = *static_cast<size_t*>(seen);
  total += size * count;
  return total > kResponseBytesMax ? 0 : size * count;
}

constexpr int kPollMs = 10;  // how fast a cancellation is seen

struct HeaderList {
  curl_slist* list = nullptr;
  ~HeaderList() { curl_slist_free_all(list); }
  bool add(const std::string& line) {
    curl_slist* longer = curl_slist_append(list, line.c_str());
    if (longer == nullptr) return false;
    list = longer;
    return true;
  }
};

class CurlTransport final : public Transport {
 public:
  // One handle, so that the connection is kept. Used by one thread at a time.
  TransportResult post(const TransportRequest& request) noexcept override try {
    TransportResult result;
    if (curl_ == nullptr) curl_ = curl_easy_init();
    if (multi_ == nullptr) multi_ = curl_multi_init();
    if (curl_ == nullptr || multi_ == nullptr) return result;
    curl_easy_reset(curl_);
    HeaderList headers;
    if (!headers.add("Content-Type: " + std::string(request.content_type)) || !headers.add("Expect:"))
      return result;
    for (std::string_view rest = request.headers; !rest.empty();) {
      size_t end = rest.find('\n');
      if (!headers.add(std::string(rest.substr(0, end)))) return result;
      rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    }
    std::string url(request.url);
    size_t seen = 0;
    long timeout = static_cast<long>(std::max<int64_t>(1, request.timeout_ms));
    curl_easy_setopt(curl_, CURLOPT_URL, url.c_str());
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl_, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(curl_, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
    curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);  // no SIGALRM, no SIGPIPE handling in the host's name
    curl_easy_setopt(curl_, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl_, CURLOPT_TIMEOUT_MS, timeout);
    curl_easy_setopt(curl_, CURLOPT_CONNECTTIMEOUT_MS, std::min(timeout, 5000L));
    curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers.list);
    curl_easy_setopt(curl_, CURLOPT_POST, 1L);
    curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(curl_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, count_body);
    curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &seen);
    curl_easy_setopt(curl_, CURLOPT_USERAGENT, "sonde");
    CURLcode code = run(request);
    long status = 0;
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
    // A batch that was answered is settled even if the rest of the answer was too long or broken.
    if (code == CURLE_OK || code == CURLE_WRITE_ERROR) result.status = static_cast<int>(status);
    curl_off_t retry = 0;
    if (curl_easy_getinfo(curl_, CURLINFO_RETRY_AFTER, &retry) == CURLE_OK && retry > 0) {
      result.retry_after_ms = static_cast<int64_t>(std::min<curl_off_t>(retry, 3600)) * 1000;
    }
    return result;
  } catch (...) {
    return {};
  }

 private:
  // As curl_easy_perform(), but ends within kPollMs of a cancellation.
  CURLcode run(const TransportRequest& request) {
    if (curl_multi_add_handle(multi_, curl_) != CURLM_OK) return CURLE_FAILED_INIT;
    CURLcode code = CURLE_ABORTED_BY_CALLBACK;
    for (int running = 1; running > 0;) {
      if (request.cancelled != nullptr && request.cancelled->load(std::memory_order_relaxed)) break;
      if (curl_multi_perform(multi_, &running) != CURLM_OK) break;
      if (running > 0) curl_multi_poll(multi_, nullptr, 0, kPollMs, nullptr);
    }
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg == CURLMSG_DONE) code = message->data.result;
    }
    curl_multi_remove_handle(multi_, curl_);
    return code;
  }

  CURL* curl_ = nullptr;
  CURLM* multi_ = nullptr;
};

Transport* make() noexcept {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return nullptr;
  return new (std::nothrow) CurlTransport();
}

}  // namespace

Transport* transport() noexcept {
  static Transport* const made = make();
  return made;
}

}  // namespace sonde::inline v1::otlp
