#include "net/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <array>

#include "base/assert.h"
#include "net/ascii.h"

namespace sonde::net {
namespace {

constexpr std::string_view kAlpnBoth{"\x02h2\x08http/1.1", 12};
constexpr std::string_view kAlpnHttp1{"\x08http/1.1", 9};

std::string openssl_text() {
  unsigned long code = ERR_get_error();
  std::string out = "unknown error";
  if (code != 0) {
    const char* reason = ERR_reason_error_string(code);
    out = reason != nullptr ? reason : "error " + std::to_string(code);
  }
  ERR_clear_error();
  return out;
}

Error tls_error(const std::string& what) {
  return {ErrorCode::kInvalid, what + ": " + openssl_text(), {}, 0, 0};
}

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
Bio memory_bio(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free};
}

Result<int> version_of(const std::string& name) {
  if (name == "TLS10" || name == "TLS11") {
    return fail(ErrorCode::kUnsupported, "TLS version " + name + ": too old; use TLS12 or TLS13");
  }
  if (name == "TLS12") return TLS1_2_VERSION;
  if (name == "TLS13") return TLS1_3_VERSION;
  return fail(ErrorCode::kInvalid, "TLS version '" + name + "': use TLS12 or TLS13");
}

Result<> use_certificate_pem(SSL_CTX* ctx, const std::string& cert, const std::string& key) {
  Bio bio = memory_bio(cert);
  std::unique_ptr<X509, decltype(&X509_free)> leaf{
      PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr), &X509_free};
  if (!leaf || SSL_CTX_use_certificate(ctx, leaf.get()) != 1) return fail(tls_error("TLS certificate"));
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    if (SSL_CTX_add0_chain_cert(ctx, next) != 1) {
      X509_free(next);
      return fail(tls_error("TLS certificate chain"));
    }
  }
  ERR_clear_error();  // the end of the PEM text counts as an error
  Bio key_bio = memory_bio(key);
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pkey{
      PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free};
  if (!pkey || SSL_CTX_use_PrivateKey(ctx, pkey.get()) != 1) return fail(tls_error("TLS key"));
  return {};
}

Result<> use_certificate_files(SSL_CTX* ctx, const std::string& cert, const std::string& key) {
  if (SSL_CTX_use_certificate_chain_file(ctx, cert.c_str()) != 1) {
    return fail(tls_error("TLS certificate " + cert));
  }
  if (SSL_CTX_use_PrivateKey_file(ctx, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return fail(tls_error("TLS key " + key));
  }
  return {};
}

Result<> add_ca_pem(SSL_CTX* ctx, const std::string& pem) {
  Bio bio = memory_bio(pem);
  int count = 0;
  while (X509* ca = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca);
    SSL_CTX_add_client_CA(ctx, ca);
    X509_free(ca);
    count++;
  }
  ERR_clear_error();
  if (count == 0) return fail(ErrorCode::kInvalid, "TLS client CA: no certificate in it");
  return {};
}

// Whether the certificate names one of `allowed` as a DNS name, e-mail address, IP address or URI.
bool has_allowed_san(X509* cert, const std::vector<std::string>& allowed) {
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(cert, NID_subject_alt_name, nullptr, nullptr));
  if (names == nullptr) return false;
  bool found = false;
  for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    std::string text;
    if (name->type == GEN_DNS || name->type == GEN_EMAIL || name->type == GEN_URI) {
      const ASN1_IA5STRING* s = name->d.ia5;
      text.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(s)),
                  static_cast<size_t>(ASN1_STRING_length(s)));
    } else if (name->type == GEN_IPADD) {
      char out[INET6_ADDRSTRLEN] = {};
      int family = ASN1_STRING_length(name->d.ip) == 4 ? AF_INET : AF_INET6;
      if (inet_ntop(family, ASN1_STRING_get0_data(name->d.ip), out, sizeof out) != nullptr) text = out;
    }
    for (const std::string& a : allowed) found = found || a == text;
  }
  GENERAL_NAMES_free(names);
  return found;
}

int options_index() {
  static const int index = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr,
      [](void*, void* p, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<TlsServerOptions*>(p); });
  return index;
}

const TlsServerOptions* options_of(X509_STORE_CTX* store) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  return static_cast<const TlsServerOptions*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), options_index()));
}

int verify_peer(int ok, X509_STORE_CTX* store) {
  const TlsServerOptions* options = options_of(store);
  if (options == nullptr) return ok;
  if (options->client_auth_unverified) return 1;
  if (ok != 1 || options->client_allowed_sans.empty() || X509_STORE_CTX_get_error_depth(store) != 0)
    return ok;
  if (has_allowed_san(X509_STORE_CTX_get_current_cert(store), options->client_allowed_sans)) return 1;
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

int select_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                    unsigned in_size, void*) {
  auto* options =
      static_cast<const TlsServerOptions*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), options_index()));
  std::string_view ours = options != nullptr && options->http2 ? kAlpnBoth : kAlpnHttp1;
  unsigned char* chosen = nullptr;
  int rc = SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
                                 static_cast<unsigned>(ours.size()), in, in_size);
  if (rc != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

bool is_address(const std::string& name) {
  std::array<unsigned char, 16> buffer;
  return inet_pton(AF_INET, name.c_str(), buffer.data()) == 1 ||
         inet_pton(AF_INET6, name.c_str(), buffer.data()) == 1;
}

}  // namespace

Result<TlsContext> make_server_context(const TlsServerOptions& options) {
  ERR_clear_error();
  TlsContext ctx(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!ctx) return fail(tls_error("TLS context"));
  SONDE_TRY(int min_version, version_of(options.min_version.empty() ? "TLS12" : options.min_version));
  SSL_CTX_set_min_proto_version(ctx.get(), min_version);
  if (!options.max_version.empty()) {
    SONDE_TRY(int max_version, version_of(options.max_version));
    if (max_version < min_version) return fail(ErrorCode::kInvalid, "TLS max_version is below min_version");
    SSL_CTX_set_max_proto_version(ctx.get(), max_version);
  }
  // No renegotiation: it lets a client make the server work at will. No tickets: restarts keep no keys.
  SSL_CTX_set_options(ctx.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
  if (!options.cipher_suites.empty() &&
      SSL_CTX_set_cipher_list(ctx.get(), options.cipher_suites.c_str()) != 1) {
    return fail(tls_error("TLS cipher suites '" + options.cipher_suites + "'"));
  }
  if (!options.curves.empty() && SSL_CTX_set1_groups_list(ctx.get(), options.curves.c_str()) != 1) {
    return fail(tls_error("TLS curves '" + options.curves + "'"));
  }
  if (!options.cert_pem.empty()) {
    SONDE_CHECK(use_certificate_pem(ctx.get(), options.cert_pem, options.key_pem));
  } else {
    SONDE_CHECK(use_certificate_files(ctx.get(), options.cert_file, options.key_file));
  }
  if (SSL_CTX_check_private_key(ctx.get()) != 1)
    return fail(tls_error("TLS key does not fit the certificate"));

  if (!options.client_ca_file.empty()) {
    if (SSL_CTX_load_verify_locations(ctx.get(), options.client_ca_file.c_str(), nullptr) != 1) {
      return fail(tls_error("TLS client CA " + options.client_ca_file));
    }
    SSL_CTX_set_client_CA_list(ctx.get(), SSL_load_client_CA_file(options.client_ca_file.c_str()));
  }
  if (!options.client_ca_pem.empty()) SONDE_CHECK(add_ca_pem(ctx.get(), options.client_ca_pem));
  bool verifies = !options.client_ca_file.empty() || !options.client_ca_pem.empty();
  if (options.client_auth_required && !verifies && !options.client_auth_unverified) {
    return fail(ErrorCode::kInvalid, "TLS: client certificates are required, but there is no client CA");
  }
  if (verifies || options.client_auth_unverified) {
    int mode = SSL_VERIFY_PEER | (options.client_auth_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    SSL_CTX_set_verify(ctx.get(), mode, &verify_peer);
  }
  SSL_CTX_set_ex_data(ctx.get(), options_index(), new TlsServerOptions(options));
  SSL_CTX_set_alpn_select_cb(ctx.get(), &select_protocol, nullptr);
  return ctx;
}

Result<TlsContext> make_client_context(const TlsClientOptions& options) {
  ERR_clear_error();
  TlsContext ctx(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (!ctx) return fail(tls_error("TLS context"));
  SSL_CTX_set_min_proto_version(ctx.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(ctx.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_RELEASE_BUFFERS);
  if (options.insecure_skip_verify) {
    SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_NONE, nullptr);
  } else {
    SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER, nullptr);
    if (options.ca_file.empty()) {
      SSL_CTX_set_default_verify_paths(ctx.get());
    } else if (SSL_CTX_load_verify_locations(ctx.get(), options.ca_file.c_str(), nullptr) != 1) {
      return fail(tls_error("TLS CA " + options.ca_file));
    }
  }
  if (!options.cert_file.empty()) {
    SONDE_CHECK(use_certificate_files(ctx.get(), options.cert_file,
                                      options.key_file.empty() ? options.cert_file : options.key_file));
  }
  SSL_CTX_set_alpn_protos(ctx.get(), reinterpret_cast<const unsigned char*>(kAlpnHttp1.data()),
                          static_cast<unsigned>(kAlpnHttp1.size()));
  return ctx;
}

std::string files_stamp(std::initializer_list<std::string_view> paths) {
  std::string out;
  for (std::string_view path : paths) {
    if (path.empty()) continue;
    struct stat st{};
    out += '|';
    if (::stat(std::string(path).c_str(), &st) != 0) continue;
    for (uint64_t v : {static_cast<uint64_t>(st.st_ino), static_cast<uint64_t>(st.st_size),
                       static_cast<uint64_t>(st.st_mtim.tv_sec), static_cast<uint64_t>(st.st_mtim.tv_nsec)}) {
      out += std::to_string(v) + ",";
    }
  }
  return out;
}

Result<std::unique_ptr<ReloadingContext>> ReloadingContext::create(TlsServerOptions options, Clock& clock) {
  std::unique_ptr<ReloadingContext> out(new ReloadingContext(std::move(options), clock));
  std::string stamp = out->stamp();
  SONDE_TRY(TlsContext context, make_server_context(out->options_));
  MutexLock lock(out->mu_);
  out->context_ = std::move(context);
  out->stamp_ = std::move(stamp);
  out->checked_ = clock.monotonic();
  return out;
}

std::string ReloadingContext::stamp() const {
  return files_stamp({options_.cert_file, options_.key_file, options_.client_ca_file});
}

TlsContext ReloadingContext::get() {
  MutexLock lock(mu_);
  MonotonicTime now = clock_.monotonic();
  if (now - checked_ < Duration::seconds(1)) return context_;
  checked_ = now;
  std::string current = stamp();
  if (current == stamp_) return context_;
  // A half-written pair fails to load; it is tried again at each change.
  if (auto fresh = make_server_context(options_)) {
    context_ = *std::move(fresh);
    stamp_ = std::move(current);
  }
  return context_;
}

TlsChannel::TlsChannel(TlsContext context) {
  start(std::move(context));
  SSL_set_accept_state(ssl_);
}

TlsChannel::TlsChannel(TlsContext context, const std::string& verify_name) {
  start(std::move(context));
  SSL_set_connect_state(ssl_);
  if (is_address(verify_name)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), verify_name.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl_, verify_name.c_str());
    SSL_set_hostflags(ssl_, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl_, verify_name.c_str());
  }
  (void)advance();
}

TlsChannel::~TlsChannel() { SSL_free(ssl_); }

void TlsChannel::start(TlsContext context) {
  context_ = std::move(context);
  ssl_ = SSL_new(context_.get());
  SONDE_ASSERT(ssl_ != nullptr);
  SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
}

Error TlsChannel::error(int rc, const char* what) const {
  int kind = SSL_get_error(ssl_, rc);
  std::string text = what;
  long verify = SSL_get_verify_result(ssl_);
  if (verify != X509_V_OK) {
    text += std::string(": certificate: ") + X509_verify_cert_error_string(verify);
    ERR_clear_error();
  } else {
    text += ": " + (kind == SSL_ERROR_SYSCALL ? std::string("connection closed") : openssl_text());
  }
  return {ErrorCode::kIo, std::move(text), {}, 0, 0};
}

Result<> TlsChannel::advance() {
  if (SSL_is_init_finished(ssl_) != 0) return {};
  ERR_clear_error();
  int rc = SSL_do_handshake(ssl_);
  if (rc == 1) {
    std::string text = std::exchange(waiting_, {});
    return send(text);
  }
  int kind = SSL_get_error(ssl_, rc);
  if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) return {};
  return fail(error(rc, "TLS handshake"));
}

Result<> TlsChannel::receive(std::string_view cipher, std::string& plain) {
  SONDE_ASSERT(BIO_write(SSL_get_rbio(ssl_), cipher.data(), static_cast<int>(cipher.size())) ==
               static_cast<int>(cipher.size()));
  SONDE_CHECK(advance());
  if (SSL_is_init_finished(ssl_) == 0) return {};
  std::array<char, 16 << 10> chunk;
  for (;;) {
    ERR_clear_error();
    int n = SSL_read(ssl_, chunk.data(), chunk.size());
    if (n > 0) {
      plain.append(chunk.data(), static_cast<size_t>(n));
      continue;
    }
    int kind = SSL_get_error(ssl_, n);
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE || kind == SSL_ERROR_ZERO_RETURN)
      return {};
    return fail(error(n, "TLS"));
  }
}

Result<> TlsChannel::send(std::string_view plain) {
  if (SSL_is_init_finished(ssl_) == 0) {
    waiting_ += plain;
    return {};
  }
  while (!plain.empty()) {
    ERR_clear_error();
    int n = SSL_write(ssl_, plain.data(), static_cast<int>(std::min<size_t>(plain.size(), 1 << 20)));
    if (n <= 0) return fail(error(n, "TLS"));
    plain.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

void TlsChannel::take_output(std::string& out) {
  char* data = nullptr;
  long n = BIO_get_mem_data(SSL_get_wbio(ssl_), &data);
  if (n <= 0) return;
  out.append(data, static_cast<size_t>(n));
  (void)BIO_reset(SSL_get_wbio(ssl_));
}

void TlsChannel::close() {
  if (SSL_is_init_finished(ssl_) != 0) SSL_shutdown(ssl_);
  ERR_clear_error();
}

bool TlsChannel::established() const { return SSL_is_init_finished(ssl_) != 0; }

bool TlsChannel::closed_by_peer() const { return (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0; }

std::string_view TlsChannel::protocol() const {
  const unsigned char* data = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &data, &size);
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace sonde::net
