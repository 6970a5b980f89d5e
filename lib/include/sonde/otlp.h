// OTLP over HTTP by libcurl. In a library of its own (sonde::otlp), so that the core needs no libcurl.
//
//   auto telemetry = sonde::init({.service = "shop", .otlp_endpoint = "http://localhost:4318",
//                                 .transport = sonde::otlp::transport()});
#pragma once

#include "sonde/transport.h"

namespace sonde::inline v1::otlp {

// The transport of the process, made at the first call and never destroyed. Null if libcurl does not start.
// It follows no redirects, reads at most 64 KiB of an answer, and obeys the usual proxy variables.
Transport* transport() noexcept;

}  // namespace sonde::inline v1::otlp
