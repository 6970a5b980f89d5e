#include "query/normalise.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>
#include <string>

using sonde::db::Dialect;
using sonde::db::Normalised;

namespace {

std::string text(std::string_view sql, Dialect d = Dialect::kPostgres) {
  Normalised n;
  sonde::db::normalise(sql, d, n);
  Normalised again;
  sonde::db::normalise(n.text, d, again);
  CHECK(again.text == n.text);
  CHECK(again.fingerprint == n.fingerprint);
  return n.text;
}

uint64_t fingerprint(std::string_view sql, Dialect d = Dialect::kPostgres) {
  Normalised n;
  sonde::db::normalise(sql, d, n);
  return n.fingerprint;
}

std::string summary(std::string_view sql) {
  Normalised n;
  sonde::db::normalise(sql, Dialect::kPostgres, n);
  std::string operation;
  return sonde::db::summary_of(n.text, operation);
}

}  // namespace

TEST_CASE("normalise: literals of every kind become one placeholder") {
  CHECK(text("select * from users where id=42 and name = 'O''Brien'") ==
        "select * from users where id = ? and name = ?");
  CHECK(text("select 1.5, .5, 1e-9, 0x1F, -3, - 4, $1") == "select ?, ?, ?, ?, ?, ?, ?");
  CHECK(text(R"(select E'it\'s', x'ff', B'01', n'a', U&'\0041', $$ it's $$, $q$ $$ $q$)") ==
        "select ?, ?, ?, ?, ?, ?, ?");
  CHECK(text("select a from t where b = true and c = NULL and d in (null)") ==
        "select a from t where b = ? and c = ? and d in (?)");
}

TEST_CASE("normalise: what is grammar stays") {
  CHECK(text("select a from t where b is null and c is not NULL") ==
        "select a from t where b is null and c is not NULL");
  CHECK(text("create table t(a int not null default null, b int null)") ==
        "create table t(a int not null default null, b int null)");
  CHECK(text("select a::text, b->>'k', count( * ) , t1 . c2 from s.t1 as t") ==
        "select a::text, b ->> ?, count(*), t1.c2 from s.t1 as t");
  CHECK(text("select a-1, a -1, 5-3, (a)-2") == "select a - ?, a - ?, ? - ?, (a) - ?");
  CHECK(text(R"(select "Order ""x""".id from "Order ""x""")") ==
        R"(select "Order ""x""".id from "Order ""x""")");
  CHECK(text("select interval '1 day', date'2020-01-01'") == "select interval ?, date ?");
}

TEST_CASE("normalise: lists and rows collapse, whatever their number") {
  CHECK(text("select * from t where id in (1,2,3)") == "select * from t where id in (?)");
  CHECK(text("select * from t where id in (1)") == "select * from t where id in (?)");
  CHECK(text("select * from t where (a,b) in ((1,2),(3,4))") == "select * from t where (a, b) in ((?, ?))");
  CHECK(text("select * from t where id not in ('a'::text,'b'::text)") ==
        "select * from t where id not in (?::text)");
  CHECK(text("select * from t where id = any(array[1,2,3])") == "select * from t where id = any (array[?])");
  CHECK(text("select * from t where id in (select x from u where y in (1,2))") ==
        "select * from t where id in (select x from u where y in (?))");
  CHECK(text("insert into t(a,b) values (1,'x'),(2,now()),(3,(4))") == "insert into t(a, b) values (?, ?)");
  CHECK(text("insert into t values (1),(2) on conflict (a) do update set b=excluded.b returning id, c") ==
        "insert into t values (?) on conflict (a) do update set b = excluded.b returning id, c");
  CHECK(text("insert into t(a) values (1),(2) on duplicate key update a=values(a), b=(2)", Dialect::kMysql) ==
        "insert into t(a) values (?) on duplicate key update a = values (a), b = (?)");
  std::string long_list = "select * from t where id in (0";
  for (int i = 1; i < 9000; i++) long_list += "," + std::to_string(i);
  CHECK(text(long_list + ")") == "select * from t where id in (?)");
}

TEST_CASE("normalise: comments and white space do not count") {
  CHECK(text("/* app='x' */ select\n\t1 -- trailing 'secret\n , 2;") == "select ?, ?");
  CHECK(text("select /* a /* nested */ 'still' */ 1") == "select ?");
  CHECK(text("select 1 # mysql\n, 2", Dialect::kMysql) == "select ?, ?");
  CHECK(fingerprint("SELECT  *\nFROM T WHERE A=1") == fingerprint("select * from t where a = 99"));
  CHECK(fingerprint("select a from t") != fingerprint("select b from t"));
}

TEST_CASE("normalise: each dialect reads its own quotes") {
  CHECK(text("select `a b`, [c], @p, :q, ?3, $r, \"col\", \"John Doe\"", Dialect::kSqlite) ==
        "select `a b`, [c], ?, ?, ?, ?, \"col\", ?");
  CHECK(text(R"(select "secret", 'it\'s', `x`)", Dialect::kMysql) == "select ?, ?, `x`");
  CHECK(text("select a[1:2], b ? 'k', c @> '{}'") == "select a[? : ?], b ? ?, c @> ?");
}

TEST_CASE("normalise: an unclosed literal, name or comment leaks nothing") {
  CHECK(text("select 'secret") == "select ?");
  CHECK(text("select \"secret") == "select ?");
  CHECK(text("select $x$secret") == "select ?");
  CHECK(text("select 1 /* secret") == "select ?");
  CHECK(text("") == "");
  CHECK(text(";;;") == "");
  CHECK(text(std::string_view("select \0 1 \xff", 12)) == "select ? _");
}

TEST_CASE("normalise: deep and huge input stays bounded") {
  std::string deep(100000, '(');
  Normalised n;
  sonde::db::normalise(deep, Dialect::kPostgres, n);
  CHECK(n.truncated);
  CHECK(n.text.size() <= sonde::db::kNormalisedBytesMax);
  std::string columns = "select a0";
  for (int i = 1; i < 20000; i++) columns += ", a" + std::to_string(i);
  sonde::db::normalise(columns, Dialect::kPostgres, n);
  CHECK(n.truncated);
  CHECK(n.text.size() <= sonde::db::kNormalisedBytesMax);
}

TEST_CASE("normalise: the fingerprint of a known statement never changes") {
  CHECK(fingerprint("select sku, count from stock where sku = 'a'") ==
        sonde::db::fingerprint_of("select sku, count from stock where sku = ?"));
  CHECK(sonde::db::fingerprint_of("select sku, count from stock where sku = ?") == 0x408c65d221702955ull);
}

TEST_CASE("normalise: the summary names operations and targets") {
  CHECK(summary("select a, b from stock s join bins on 1=1 where x = 2") == "SELECT stock bins");
  CHECK(summary("insert into audit(a) select b from orders, lines where c in (select d from lines)") ==
        "INSERT audit SELECT orders lines");
  CHECK(summary(
            "with recursive c(x) as (select 1 union all select x+1 from c) select count(*) from c, stock") ==
        "SELECT stock");
  CHECK(summary("update stock set n = n - 1 where sku = 'a'") == "UPDATE stock");
  CHECK(summary("select n from stock for update") == "SELECT stock");
  CHECK(summary("select 1") == "SELECT");
  CHECK(summary("create table if not exists shop.stock(a int)") == "CREATE shop.stock");
  CHECK(summary("select * from (select * from a) x, b") == "SELECT a b");
  CHECK(summary("begin") == "BEGIN");
  CHECK(summary("delete from only a where b") == "DELETE a");
  CHECK(summary("") == "");
}
