#include "wire/otlp_reader.h"

#include <algorithm>
#include <unordered_map>

namespace sonde::wire {

using protozero::pbf_reader;

void OtlpReader::count_item() {
  if (++items_ > limits_.items_max)
    refuse(ErrorCode::kLimit, fmt::format("more than {} items", limits_.items_max));
}

void OtlpReader::key_value(pbf_reader kv, Attributes& out, int depth) const {
  if (out.size() >= limits_.attributes_max) {
    refuse(ErrorCode::kLimit, fmt::format("more than {} attributes", limits_.attributes_max));
  }
  std::string_view key;
  AttributeValue value;
  while (kv.next()) {
    if (kv.tag() == 1) {
      key = read_bytes(kv);
    } else if (kv.tag() == 2) {
      value = any_value(read_message(kv), depth);
    } else {
      kv.skip();
    }
  }
  out.emplace_back(std::string(key), std::move(value));
}

// Recursion is bounded by attribute_depth_max.
AttributeValue OtlpReader::any_value(pbf_reader r, int depth) const {
  if (depth > limits_.attribute_depth_max) {
    refuse(ErrorCode::kLimit, fmt::format("values nested deeper than {}", limits_.attribute_depth_max));
  }
  AttributeValue value;
  while (r.next()) {
    switch (r.tag()) {
      case 1:
        value = read_bytes(r);
        break;
      case 2:
        value = read_uint64(r) != 0;
        break;
      case 3:
        value = read_int64(r);
        break;
      case 4:
        value = read_double(r);
        break;
      case 5: {
        AttributeArray array;
        for (pbf_reader list = read_message(r); list.next();) {
          if (list.tag() != 1) {
            list.skip();
            continue;
          }
          if (array.size() >= limits_.attributes_max) {
            refuse(ErrorCode::kLimit, fmt::format("more than {} array elements", limits_.attributes_max));
          }
          array.push_back(any_value(read_message(list), depth + 1));
        }
        value = std::move(array);
        break;
      }
      case 6: {
        Attributes map;
        for (pbf_reader list = read_message(r); list.next();) {
          if (list.tag() == 1) {
            key_value(read_message(list), map, depth + 1);
          } else {
            list.skip();
          }
        }
        make_unique(map);
        value = std::move(map);
        break;
      }
      case 7:
        value = Bytes{std::string(read_bytes(r))};
        break;
      default:
        r.skip();
    }
  }
  return value;
}

void OtlpReader::make_unique(Attributes& attributes) {
  bool twice = false;
  if (attributes.size() <= 12) {
    for (size_t i = 1; i < attributes.size() && !twice; i++) {
      for (size_t k = 0; k < i && !twice; k++) twice = attributes[i].first == attributes[k].first;
    }
  } else {
    std::vector<std::string_view> keys;
    keys.reserve(attributes.size());
    for (const auto& [k, v] : attributes) keys.push_back(k);
    std::sort(keys.begin(), keys.end());
    twice = std::adjacent_find(keys.begin(), keys.end()) != keys.end();
  }
  if (!twice) return;
  Attributes unique;
  std::unordered_map<std::string, size_t> place;
  for (auto& [key, value] : attributes) {
    auto [it, fresh] = place.try_emplace(key, unique.size());
    if (fresh) {
      unique.emplace_back(std::move(key), std::move(value));
    } else {
      unique[it->second].second = std::move(value);
    }
  }
  attributes = std::move(unique);
}

std::shared_ptr<const Attributes> OtlpReader::resource(pbf_reader r) const {
  auto attributes = std::make_shared<Attributes>();
  while (r.next()) {
    if (r.tag() == 1) {
      key_value(read_message(r), *attributes);
    } else {
      r.skip();
    }
  }
  make_unique(*attributes);
  return attributes;
}

InstrumentationScope OtlpReader::scope(pbf_reader r) {
  InstrumentationScope scope;
  while (r.next()) {
    if (r.tag() == 1) {
      scope.name = read_bytes(r);
    } else if (r.tag() == 2) {
      scope.version = read_bytes(r);
    } else {
      r.skip();
    }
  }
  return scope;
}

}  // namespace sonde::wire
