#include "config/yaml.h"

#include <doctest/doctest.h>

#include "config/glob.h"
#include "config/memory_files.h"
#include "config/yaml_writer.h"

namespace sonde::config {
namespace {

std::string refused(std::string_view text, YamlLimits limits = {}) {
  auto r = parse_yaml(text, "f.yml", limits);
  return r ? "accepted" : r.error().to_string();
}

NodePtr parsed(std::string_view text) {
  auto r = parse_yaml(text, "f.yml");
  REQUIRE_MESSAGE(r.has_value(), (r ? "" : r.error().to_string()));
  return *r;
}

TEST_CASE("yaml: nodes know their kind, text and place") {
  NodePtr root = parsed("a: 1\nb:\n  - x\n  - \"1\"\nc: |\n  two\n  lines\nd:\ne: ~\n");
  CHECK(root->find("a")->text == "1");
  CHECK(root->find("a")->plain);
  CHECK(root->find("b")->items.at(1)->line == 4);
  CHECK_FALSE(root->find("b")->items.at(1)->plain);
  CHECK(root->find("c")->text == "two\nlines\n");
  CHECK(root->find("d")->is_null());
  CHECK(root->find("e")->is_null());
  CHECK(root->find("f") == nullptr);
  CHECK(root->find("b")->items.at(0)->error("no").to_string() == "f.yml:3: no");
}

TEST_CASE("yaml: an empty document is null") {
  CHECK(parsed("")->is_null());
  CHECK(parsed("# only a comment\n")->is_null());
}

TEST_CASE("yaml: a key that appears twice is refused with both lines") {
  CHECK(refused("a: 1\nb: 2\na: 3\n") == "f.yml:3: key \"a\" is already set at line 1");
}

TEST_CASE("yaml: broken syntax, second documents and keys that are no scalars are refused with a line") {
  CHECK(refused("a: [1, 2\n").starts_with("f.yml:"));
  CHECK(refused("a: b: c\n").starts_with("f.yml:1:"));
  CHECK(refused("a: 1\n---\nb: 2\n").find("second YAML document") != std::string::npos);
  CHECK(refused("? [a]\n: 1\n").find("mapping key") != std::string::npos);
  CHECK(refused("a: *nowhere\n").starts_with("f.yml:"));
  CHECK(refused("a: !!binary \"/w==$1\"\n") == "f.yml:1: !!binary value contains invalid base64 data");
}

TEST_CASE("yaml: aliases share their target, and merge keys fill in what is absent") {
  NodePtr root =
      parsed("base: &b {x: 1, y: 2}\nother: &o {z: 9, x: 8}\nc:\n  <<: *b\n  y: 3\nd:\n  <<: [*b, *o]\n");
  CHECK(root->find("c")->find("x")->text == "1");
  CHECK(root->find("c")->find("y")->text == "3");
  CHECK(root->find("d")->find("z")->text == "9");
  CHECK(root->find("d")->find("x")->text == "1");
  CHECK(refused("c:\n  <<: 5\n").find("map merge") != std::string::npos);
  CHECK(refused("a: &a [*a]\n").find("contains itself") != std::string::npos);
}

TEST_CASE("yaml: a document that multiplies itself through aliases is refused") {
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'k'; c++) {
    std::string previous(1, static_cast<char>(c - 1));
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 10; i++) bomb += (i ? ",*" : "*") + previous;
    bomb += "]\n";
  }
  CHECK(refused(bomb).find("once aliases are expanded") != std::string::npos);
}

TEST_CASE("yaml: depth and size are bounded") {
  CHECK(refused(std::string(100, '[') + std::string(100, ']')).find("nested deeper than 64") !=
        std::string::npos);
  CHECK(refused(std::string(100'000, '[')).starts_with("f.yml"));
  CHECK(refused("a: " + std::string(100, 'x'), {.document_bytes_max = 50}).find("the limit is 50") !=
        std::string::npos);
  MemoryFiles fs;
  fs.set("big.yml", std::string(100, 'x'));
  CHECK(read_yaml(fs, "big.yml", {.document_bytes_max = 50}).error().file == "big.yml");
  CHECK(read_yaml(fs, "none.yml").error().code == ErrorCode::kNotFound);
}

TEST_CASE("yaml: scalars convert as Go reads them") {
  NodePtr keep = parsed("b: yes\nn: 0x10\nneg: -3\nf: 1e3\nd: 1.5\nq: \"1\"\nu: 1_000\n");
  CHECK(*node_bool(*keep->find("b")));
  CHECK(*node_int(*keep->find("n")) == 16);
  CHECK(*node_int(*keep->find("neg")) == -3);
  CHECK(*node_int(*keep->find("f")) == 1000);
  CHECK(*node_uint(*keep->find("u")) == 1000);
  CHECK(*node_double(*keep->find("d")) == 1.5);
  CHECK_FALSE(node_uint(*keep->find("neg")));
  CHECK_FALSE(node_int(*keep->find("d")));
  CHECK_FALSE(node_int(*keep->find("q")));
  CHECK(node_bool(*keep->find("d")).error().to_string() == "f.yml:5: expected true or false, got \"1.5\"");
}

TEST_CASE("durations: Prometheus syntax and back") {
  struct Row {
    const char* text;
    int64_t ms;
    const char* back;
  };
  for (const Row& r : std::initializer_list<Row>{{"0", 0, "0s"},
                                                 {"15s", 15'000, "15s"},
                                                 {"1h30m", 5'400'000, "1h30m"},
                                                 {"500ms", 500, "500ms"},
                                                 {"1d", 86'400'000, "1d"},
                                                 {"2w", 1'209'600'000, "2w"},
                                                 {"1y", 31'536'000'000, "1y"},
                                                 {"90m", 5'400'000, "1h30m"},
                                                 {"8d", 691'200'000, "8d"}}) {
    INFO(r.text);
    CHECK(parse_duration(r.text)->ms() == r.ms);
    CHECK(format_duration(*parse_duration(r.text)) == r.back);
  }
  for (const char* bad : {"", "1", "1.5h", "-1s", "1m1h", "1s1s", "s", "1x", "99999999999y", "1h 30m"}) {
    INFO(bad);
    CHECK_FALSE(parse_duration(bad));
  }
}

TEST_CASE("sizes: powers of 1024 and back") {
  CHECK(*parse_bytes("10MB") == 10 << 20);
  CHECK(*parse_bytes("15MiB") == 15 << 20);
  CHECK(*parse_bytes("1.5KB") == 1536);
  CHECK(*parse_bytes("0") == 0);
  CHECK(*parse_bytes("512B") == 512);
  CHECK(*parse_bytes("-1GB") == -(1 << 30));
  CHECK(format_bytes(10 << 20) == "10MiB");
  CHECK(format_bytes(1536) == "1KiB512B");
  for (const char* bad : {"", "10", "MB", "10XB", "1..5MB", "99999999EB", "10 MB"}) {
    INFO(bad);
    CHECK_FALSE(parse_bytes(bad));
  }
}

TEST_CASE("reader: the first failure sticks and unknown keys are named with their line") {
  NodePtr root = parsed("a: 1\nb: x\nc: 3\n");
  int64_t a = 0;
  int64_t b = 0;
  MappingReader r(*root, "thing");
  r.read("a", a);
  r.read("b", b);
  CHECK(r.finish().error().to_string() == "f.yml:2: b: expected a whole number, got \"x\"");
  MappingReader strict(*root, "thing");
  std::string text;
  strict.read("a", a);
  strict.read("b", text);
  CHECK(strict.finish().error().to_string() == "f.yml:3: unknown key \"c\" in thing");
  MappingReader list(*parsed("[1]"), "thing");
  CHECK(list.finish().error().to_string() == "f.yml:1: thing must be a mapping, got a list");
}

TEST_CASE("glob: components match as in Go, and results are sorted") {
  CHECK(*match_component("*.yml", "a.yml"));
  CHECK_FALSE(*match_component("*.yml", "a.yaml"));
  CHECK(*match_component("a?c", "abc"));
  CHECK(*match_component("[a-c]x", "bx"));
  CHECK_FALSE(*match_component("[^a-c]x", "bx"));
  CHECK(*match_component("\\*", "*"));
  CHECK(*match_component("*a*b*", "xxaxxbxx"));
  CHECK_FALSE(match_component("[a", "a"));
  CHECK_FALSE(match_component("a\\", "a"));
  MemoryFiles fs(
      {{"/etc/rules/b.yml", ""}, {"/etc/rules/a.yml", ""}, {"/etc/rules/c.txt", ""}, {"x/y.yml", ""}});
  CHECK(*glob(fs, "/etc/rules/*.yml") == std::vector<std::string>{"/etc/rules/a.yml", "/etc/rules/b.yml"});
  CHECK(*glob(fs, "x/*") == std::vector<std::string>{"x/y.yml"});
  CHECK(*glob(fs, "/etc/rules/c.txt") == std::vector<std::string>{"/etc/rules/c.txt"});
  CHECK(glob(fs, "/nowhere/*")->empty());
  CHECK(resolve_path("/etc", "a/b") == "/etc/a/b");
  CHECK(resolve_path("/etc", "/a") == "/a");
  CHECK(directory_of("/etc/p.yml") == "/etc");
  CHECK(directory_of("p.yml") == "");
}

TEST_CASE("writer: texts are quoted exactly when they would read back as something else") {
  for (const char* text :
       {"plain", "true", "1", "a: b", "", "x\ny", "null", "- a", "*", "über", "<secret>", "a#b", "'"}) {
    INFO(text);
    YamlMap m;
    m.text("k", text);
    NodePtr back = parsed(m.to_string());
    REQUIRE(back->find("k"));
    CHECK(*node_string(*back->find("k")) == text);
    CHECK(back->find("k")->kind == NodeKind::kScalar);
  }
  CHECK(yaml_scalar("plain") == "plain");
  CHECK(yaml_scalar("true") == "\"true\"");
}

}  // namespace
}  // namespace sonde::config
