// OTLP from bytes to stores, the same for HTTP and gRPC.
#pragma once

#include "ingest/intake.h"

namespace sonde::ingest {

// kShip for logs that `sonde ship` sends, as its User-Agent says.
Source otlp_source(wire::OtlpSignal signal, const net::Request& request);

// Decodes and hands over. When this fails (kInvalid, kLimit), the request was refused and booked so, and
// `done` is not called.
Result<> take_otlp(const IngestContext& context, wire::OtlpSignal signal, Source source,
                   wire::OtlpEncoding encoding, Body body, OnIntake done);

// For partial_success: empty when nothing was rejected.
std::string rejection_text(const IntakeOutcome& outcome);

}  // namespace sonde::ingest
