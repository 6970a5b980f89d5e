#include "wire/otlp_reader.h"

namespace sonde::wire {
namespace {

using protozero::pbf_reader;

class TraceDecoder : OtlpReader {
 public:
  using OtlpReader::OtlpReader;

  OtlpTraces out;

  void request(pbf_reader& r, PbfPlace& place) {
    while (r.next()) {
      if (r.tag() == 1) {
        place.field = "resource_spans";
        resource_spans(read_message(r), place);
      } else {
        r.skip();
      }
    }
  }

 private:
  void resource_spans(pbf_reader r, PbfPlace& place) {
    // The resource may stand behind its spans.
    resource_ = std::make_shared<Attributes>();
    for (pbf_reader again = r; again.next();) {
      if (again.tag() == 1) {
        place.field = "resource";
        resource_ = resource(read_message(again));
      } else {
        again.skip();
      }
    }
    service_ = string_attribute(*resource_, "service.name");
    if (service_.empty()) service_ = "unknown_service";
    while (r.next()) {
      if (r.tag() == 2) {
        place.field = "scope_spans";
        scope_spans(read_message(r), place);
      } else {
        r.skip();
      }
    }
  }

  void scope_spans(pbf_reader r, PbfPlace& place) {
    InstrumentationScope of_all;
    for (pbf_reader again = r; again.next();) {
      if (again.tag() == 1) {
        of_all = scope(read_message(again));
      } else {
        again.skip();
      }
    }
    while (r.next()) {
      if (r.tag() == 2) {
        place.field = "spans";
        span(read_message(r), of_all, place);
      } else {
        r.skip();
      }
    }
  }

  void span(pbf_reader r, const InstrumentationScope& scope, PbfPlace& place) {
    count_item();
    Span s;
    const char* wrong = nullptr;
    std::string_view trace_id, span_id, parent_id;
    while (r.next()) {
      switch (r.tag()) {
        case 1:
          trace_id = read_bytes(r);
          break;
        case 2:
          span_id = read_bytes(r);
          break;
        case 3:
          s.trace_state = read_bytes(r);
          break;
        case 4:
          parent_id = read_bytes(r);
          break;
        case 5:
          s.name = read_bytes(r);
          break;
        case 6: {
          uint64_t kind = read_uint64(r);
          s.kind = kind <= 5 ? static_cast<SpanKind>(kind) : SpanKind::kUnspecified;
          break;
        }
        case 7:
          s.start = otlp_time(read_fixed64(r));
          break;
        case 8:
          s.end = otlp_time(read_fixed64(r));
          break;
        case 9:
          place.field = "span.attributes";
          key_value(read_message(r), s.attributes);
          break;
        case 11:
          place.field = "span.events";
          s.events.push_back(event(read_message(r)));
          break;
        case 13:
          place.field = "span.links";
          link(read_message(r), s.links);
          break;
        case 15:
          place.field = "span.status";
          status(read_message(r), s);
          break;
        case 16:
          s.flags = read_fixed32(r);
          break;
        default:
          r.skip();
      }
    }
    if (!read_id(trace_id, s.trace_id)) {
      wrong = "trace id is not 16 bytes or all zero";
    } else if (!read_id(span_id, s.span_id)) {
      wrong = "span id is not 8 bytes or all zero";
    } else if (!parent_id.empty() && !read_id(parent_id, s.parent_id) && parent_id.size() != 8) {
      wrong = "parent span id is not 8 bytes";
    }
    if (wrong != nullptr) {
      if (out.rejected++ == 0) out.rejection = fmt::format("span {}: {}", quote(s.name.substr(0, 64)), wrong);
      return;
    }
    make_unique(s.attributes);
    if (s.end < s.start) s.end = s.start;
    s.service = service_;
    s.resource = resource_;
    s.scope = scope;
    out.spans.push_back(std::move(s));
  }

  SpanEvent event(pbf_reader r) {
    count_item();
    SpanEvent e;
    while (r.next()) {
      if (r.tag() == 1) {
        e.time = otlp_time(read_fixed64(r));
      } else if (r.tag() == 2) {
        e.name = read_bytes(r);
      } else if (r.tag() == 3) {
        key_value(read_message(r), e.attributes);
      } else {
        r.skip();
      }
    }
    make_unique(e.attributes);
    return e;
  }

  void link(pbf_reader r, std::vector<SpanLink>& out_links) {
    count_item();
    SpanLink l;
    std::string_view trace_id, span_id;
    while (r.next()) {
      if (r.tag() == 1) {
        trace_id = read_bytes(r);
      } else if (r.tag() == 2) {
        span_id = read_bytes(r);
      } else if (r.tag() == 4) {
        key_value(read_message(r), l.attributes);
      } else {
        r.skip();
      }
    }
    make_unique(l.attributes);
    if (read_id(trace_id, l.trace_id) && read_id(span_id, l.span_id)) out_links.push_back(std::move(l));
  }

  static void status(pbf_reader r, Span& s) {
    while (r.next()) {
      if (r.tag() == 2) {
        s.status_message = read_bytes(r);
      } else if (r.tag() == 3) {
        uint64_t code = read_uint64(r);
        s.status = code <= 2 ? static_cast<SpanStatus>(code) : SpanStatus::kUnset;
      } else {
        r.skip();
      }
    }
  }

  std::shared_ptr<const Attributes> resource_;
  std::string service_;
};

}  // namespace

Result<OtlpTraces> decode_otlp_traces(std::string_view body, OtlpEncoding encoding,
                                      const OtlpLimits& limits) {
  std::string buffer;
  SONDE_TRY(std::string_view bytes, otlp_protobuf(body, encoding, OtlpSignal::kTraces, buffer));
  TraceDecoder decoder(limits);
  SONDE_CHECK(decode_pbf("OTLP traces", bytes, [&](auto& r, auto& place) { decoder.request(r, place); }));
  return std::move(decoder.out);
}

}  // namespace sonde::wire
