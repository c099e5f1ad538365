//! Conditions as people and attackers write them: what is read, what is refused, and that nothing panics.

use proptest::prelude::*;
use relevo_expressions::{Columns, Condition, Fault, function_names};
use relevo_shared::dataset::Column;

fn table() -> Columns {
    let columns = [
        ("age", "integer"),
        ("Score", "number"),
        ("name", "string"),
        ("Name", "string"),
        ("zip", "string"),
        ("active", "boolean"),
        ("born", "date"),
        ("seen", "timestamp"),
        ("price", "Decimal128(10, 2)"),
        ("tags", "List(Utf8)"),
        ("año de \"alta\"", "integer"),
        ("a.b", "integer"),
        ("user", "string"),
        ("select", "integer"),
        ("línea\n2", "string"),
        ("@x", "integer"),
        ("odd", "no type of anybody"),
    ];
    let column =
        |(name, kind): &(&str, &str)| Column { name: (*name).to_owned(), kind: (*kind).to_owned(), nullable: true };
    Columns::described(&columns.iter().map(column).collect::<Vec<_>>()).expect("the columns can be told apart")
}

fn read(text: &str) -> Result<Condition, Fault> {
    Condition::read(text, &table())
}

fn refused(text: &str) -> String {
    match read(text) {
        Ok(condition) => panic!("{text:?} was read as {}", condition.expr()),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn conditions_on_one_row_are_read() {
    for text in [
        "age >= 18",
        "age BETWEEN 18 AND 65 AND NOT active",
        "active",
        "active AND (age < 3 OR \"Score\" > 0.5)",
        "name = 'Ana' OR name IN ('Luis', 'Eva')",
        "zip LIKE '28%' AND zip NOT ILIKE '%x'",
        "zip ~ '^[0-9]{5}$'",
        "zip SIMILAR TO '28(0|1)%'",
        "born >= DATE '2000-01-01' AND born < '2010-12-31'",
        "seen > TIMESTAMP '2024-01-01 10:00:00' AND seen <= '2024-01-02T00:00:00'",
        "seen - INTERVAL '1 day' < born",
        "age + 1 = 2 * age % 7 - 3",
        "age / 2 > -1",
        "age = '18' AND price > '10.5' AND active = 'true'",
        "price <= 10.25",
        "CASE WHEN age > 3 THEN 'a' WHEN active THEN 'b' ELSE NULL END = 'b'",
        "CASE name WHEN 'Ana' THEN 1 ELSE 2.5 END > 1",
        "CAST(zip AS BIGINT) > 28000 AND TRY_CAST(name AS DOUBLE) IS NULL AND age::text = '5'",
        "upper(trim(name)) = 'ANA' AND length(name) > 3 AND substring(name FROM 1 FOR 2) = 'An'",
        "name || '-' || zip = 'a-b'",
        "extract(year FROM born) = 2001 AND date_trunc('month', seen) = '2024-01-01'",
        "coalesce(age, 0) > 3 AND nullif(age, 3) IS NOT NULL",
        "(age IS DISTINCT FROM 3) AND active IS NOT TRUE",
        "ceil(\"Score\") = floor(\"Score\") + 1 AND position('a' IN name) > 0",
        "name = NULL OR age IN (1, NULL)",
        "true",
        "1 = 1",
        "'a' < 'b'",
    ] {
        if let Err(fault) = read(text) {
            panic!("{text:?} {fault}");
        }
    }
}

#[test]
fn columns_are_found_by_their_exact_names_first() {
    let columns = |text: &str| read(text).unwrap().columns().iter().cloned().collect::<Vec<_>>().join("|");

    assert_eq!(columns("name = 'a'"), "name");
    assert_eq!(columns("Name = 'a'"), "Name");
    assert_eq!(columns("Score > 1 AND AGE > 1"), "Score|age");
    assert_eq!(columns("\"año de \"\"alta\"\"\" > 1 AND \"a.b\" = 2"), "a.b|año de \"alta\"");
    assert_eq!(
        columns("\"user\" = 'x' AND \"select\" = 1 AND \"línea\n2\" = '' AND \"@x\" = 1"),
        "@x|línea\n2|select|user"
    );
    assert!(refused("NAME = 'a'").contains("may be any of the columns \"name\", \"Name\""));
    assert!(
        refused("\"AGE\" = 1")
            .starts_with("the table has no column \"AGE\" (did you mean \"age\"?); its columns: age, Score")
    );
}

#[test]
fn a_name_that_is_not_there_is_answered_with_what_was_meant() {
    assert!(refused("aeg > 3").contains("no column \"aeg\" (did you mean \"age\"?)"));
    assert!(refused("name = \"Ana\"").contains("text stands in single quotes"));
    assert_eq!(refused("a.b = 1"), "a.b is a word of SQL; write the column as \"a.b\"");
    assert_eq!(refused("t.age = 1"), "must not have names of two parts such as t.age");
    assert_eq!(refused("user = 'x'"), "user is a word of SQL; write the column as \"user\"");
    assert!(refused("tags = 'x'").contains("has the type List"));
    assert!(refused("odd = 'x'").contains("conditions cannot look into"));
}

#[test]
fn values_of_two_kinds_are_not_compared() {
    for (text, reason) in [
        ("zip > 28000", "> cannot take zip (text) and 28000 (a number); write the number in single quotes"),
        ("5 = name", "= cannot take 5 (a number) and name (text)"),
        ("zip IN ('1', 2)", "IN cannot take zip (text) and 2 (a number)"),
        ("zip BETWEEN 1 AND 2", "BETWEEN cannot take"),
        ("age = name", "= cannot take age (a number) and name (text); CAST"),
        ("active = 1", "= cannot take active (true or false) and 1 (a number)"),
        ("born = 20240101", "= cannot take born (a date) and 20240101 (a number)"),
        ("age > 'old'", "'old' is not a number, which it is compared with"),
        ("born > 'yesterday'", "'yesterday' is not a date"),
        ("born BETWEEN '2024-01-01' AND '2024-02-31'", "'2024-02-31' is not a date"),
        ("active = 'maybe'", "'maybe' is not true or false"),
        ("name + 1 = 2", "+ cannot take name (text) and 1 (a number)"),
        ("age LIKE '1%'", "LIKE needs text, but age (a number) is given"),
        ("age ~ '1'", "~ needs text"),
        ("age AND active", "AND needs true or false, but age (a number) is given"),
        ("NOT name", "'NOT' requires a boolean expression"),
        ("-name = 1", "'-' only supports signed numeric"),
        ("name IS TRUE", "needs true or false"),
        ("CASE WHEN age THEN 1 END = 1", "WHEN needs true or false"),
        ("CASE WHEN active THEN 'a' ELSE 1 END = 'a'", "CASE as results cannot take"),
        ("abs(name) = 1", "abs"),
        ("sqrt(zip) = 1", "sqrt"),
        ("born + 1 > born", "+ cannot take born (a date) and 1 (a number)"),
        ("CAST('x' AS BIGINT) = 1", "cannot be computed"),
        ("born > DATE '2024-13-01'", "cannot be computed"),
        ("zip ~ '['", "'[' is no regular expression"),
        ("regexp_like(zip, '(')", "'(' is no regular expression"),
    ] {
        let told = refused(text);
        assert!(told.contains(reason), "{text:?}: {told}");
    }
}

#[test]
fn a_quoted_literal_is_read_as_what_it_stands_beside() {
    let expr = |text: &str| read(text).unwrap().expr().to_string();

    assert_eq!(expr("age > '18'"), "age > Int64(18)");
    assert_eq!(expr("age > ' 18.5 '"), "CAST(age AS Float64) > Float64(18.5)");
    assert_eq!(expr("'10' < price"), "CAST(Int64(10) AS Decimal128(22, 2)) < CAST(price AS Decimal128(22, 2))");
    assert_eq!(expr("zip = '10'"), "zip = Utf8(\"10\")");
    assert_eq!(expr("born = '2024-02-29'"), "born = Date32(\"2024-02-29\")");
    assert_eq!(
        expr("born < '2024-02-29T12:00:00'"),
        "CAST(born AS Timestamp(ns)) < CAST(TimestampMicrosecond(1709208000000000, None) AS Timestamp(ns))"
    );
    assert_eq!(expr("active = 'f'"), "active = Boolean(false)");
}

#[test]
fn what_looks_beyond_the_row_is_refused() {
    for (text, reason) in [
        ("SELECT 1", "not a statement (it begins with SELECT)"),
        ("DROP TABLE x", "not a statement (it begins with DROP)"),
        ("age > 1; DROP TABLE x", "not a statement (it has a semicolon)"),
        ("COPY t TO '/etc/passwd'", "not a statement"),
        ("age > (SELECT max(age) FROM t)", "sub-queries"),
        ("EXISTS (SELECT 1)", "sub-queries"),
        ("age IN (SELECT 1)", "sub-queries"),
        ("age = ANY (SELECT 1)", "must not have"),
        ("age IN UNNEST(tags)", "must not have"),
        ("count(*) > 1", "there is no function count"),
        ("sum(age) > 1", "there is no function sum"),
        ("row_number() OVER () = 1", "there is no function row_number"),
        ("abs(age) OVER () = 1", "anything but values in the brackets"),
        ("abs(DISTINCT age) = 1", "anything but values in the brackets"),
        ("abs(age) FILTER (WHERE active) = 1", "must not have"),
        ("now() > seen", "there is no function now"),
        ("random() < 0.5", "there is no function random"),
        ("uuid() = ''", "there is no function uuid"),
        ("current_date = born", "there is no function current_date"),
        ("CURRENT_TIMESTAMP > seen", "there is no function CURRENT_TIMESTAMP"),
        ("version() = ''", "there is no function version"),
        ("read_parquet('/etc/passwd') = 1", "there is no function read_parquet"),
        ("read_csv('s3://x/y') IS NULL", "there is no function read_csv"),
        ("pg_sleep(10) IS NULL", "there is no function pg_sleep"),
        ("input_file_name() = 'x'", "there is no function input_file_name"),
        ("arrow_cast(age, 'Utf8') = 'x'", "there is no function arrow_cast"),
        ("repeat(name, 1000000000) = ''", "there is no function repeat"),
        ("lpad(name, 2147483647) = ''", "there is no function lpad"),
        ("replace(name, 'a', 'aaaaaaaa') = ''", "there is no function replace"),
        ("levenshtein(name, name) = 0", "there is no function levenshtein"),
        ("pg_catalog.abs(1) = 1", "there is no function pg_catalog.abs"),
        ("age = $1", "placeholders such as $1"),
        ("age = ?", "placeholders such as ?"),
        ("age = :id", "placeholders such as :id"),
        ("age = @y", "no column \"@y\""),
        ("age > 1 -- AND active", "must not have comments"),
        ("age /* x */ > 1", "must not have comments"),
        ("age > 1 age", "must end after the condition, but age follows"),
        ("age > 1)", "must end after the condition, but ) follows"),
        ("age > 1, active", "must end after the condition, but , follows"),
        ("age > 1 AS x", "must end after the condition, but AS follows"),
        ("age = 0x1F AND X'ab' = X'ab'", "a literal such as"),
        ("name = E'a'", "a literal such as"),
        ("name = $$a$$", "a literal such as"),
        ("[1, 2] = [1]", "must not have"),
        ("{'a': 1} = 1", "must not have"),
        ("STRUCT(1) = 1", "must not have"),
        ("(1, 2) = (1, 2)", "a list of values outside of IN"),
        ("* = 1", "is no SQL condition"),
        ("name COLLATE \"de\" = 'x'", "must not have"),
        ("age & 1 = 1", "the operator &"),
        ("name LIKE ANY ('a', 'b')", "must not have"),
        ("CAST(age AS INT[]) IS NULL", "must not have"),
        ("name->'a' = '1'", "the operator ->"),
        ("name[1] = 'a'", "must not have"),
    ] {
        let told = refused(text);
        assert!(told.contains(reason), "{text:?}: {told}");
    }
}

#[test]
fn what_is_no_condition_is_refused() {
    for (text, reason) in [
        ("", "is empty"),
        (" \n\t", "is empty"),
        ("age", "must be true or false for each row, but it is a number"),
        ("name", "but it is text"),
        ("NULL", "but it is NULL"),
        ("age + 1", "but it is a number"),
        ("age >", "is no SQL condition"),
        ("= 1", "is no SQL condition"),
        ("'unterminated", "is no SQL condition"),
        ("\"unterminated", "is no SQL condition"),
        ("(age > 1", "is no SQL condition"),
        ("age > 1 AND", "is no SQL condition"),
        ("age = '\0'", "is not a number"),
        ("\u{202e}age = 1", "is no SQL condition"),
    ] {
        let told = refused(text);
        assert!(told.contains(reason), "{text:?}: {told}");
    }
}

#[test]
fn size_and_depth_are_bounded_before_a_stack_could_overflow() {
    let nested = |times: usize| format!("{}age > 1{}", "(".repeat(times), ")".repeat(times));
    let chain = |times: usize, word: &str| vec!["age = 1"; times].join(word);

    assert!(read(&nested(20)).is_ok());
    assert!(read(&chain(200, " OR ")).is_ok());
    assert!(read(&format!("age IN ({})", (0..2000).map(|n| n.to_string()).collect::<Vec<_>>().join(","))).is_ok());
    for hostile in [
        nested(200),
        nested(100_000),
        chain(300, " OR "),
        chain(100_000, " AND "),
        format!("{}active", "NOT ".repeat(200)),
        format!("{}active", "NOT ".repeat(100_000)),
        format!("age = {}1", "- ".repeat(200)),
        format!("{}age{} = 1", "abs(".repeat(200), ")".repeat(200)),
        format!("{} = 1", "age + ".repeat(100_000) + "age"),
        format!("{}1{}", "CASE WHEN active THEN ".repeat(150), " END".repeat(150)),
        format!("age {} 1", "=".repeat(100_000)),
        "x".repeat(1 << 20),
        "(".repeat(511),
        "[".repeat(511),
        "{".repeat(511),
        format!("concat({}) = ''", vec!["name"; 1000].join(",")),
        format!("{} = ''", vec!["name"; 100].join("||")),
    ] {
        let told = refused(&hostile);
        let known = ["at most", "more than", "too deeply", "no SQL condition", "must end", "must not have"];
        assert!(known.iter().any(|known| told.contains(known)), "{}…: {told}", &hostile[..20]);
        assert!(told.len() < 400, "{told}");
    }
}

#[test]
fn every_function_that_is_offered_is_there() {
    let mut names: Vec<_> = function_names().collect();
    names.sort_unstable();
    names.dedup();

    assert_eq!(names.len(), function_names().count());
    for name in names {
        let told = refused(&format!("{name}(tags)"));
        assert!(told.contains("tags"), "{name}: {told}");
        // Without arguments a function is asked for by its name, and says at most what it needs.
        if let Err(Fault::NotSql(reason)) = read(&format!("{name}() IS NULL")) {
            assert!(!reason.contains("Invalid function"), "{name}: {reason}");
        }
    }
}

/// Words that conditions and attacks are made of.
fn word() -> impl Strategy<Value = String> {
    let words = [
        "age",
        "name",
        "\"Score\"",
        "active",
        "born",
        "seen",
        "price",
        "tags",
        "'x'",
        "'2024-01-01'",
        "1",
        "-2.5",
        "1e999",
        "NULL",
        "TRUE",
        "AND",
        "OR",
        "NOT",
        "IS",
        "IN",
        "BETWEEN",
        "LIKE",
        "CASE",
        "WHEN",
        "THEN",
        "ELSE",
        "END",
        "CAST",
        "AS",
        "BIGINT",
        "INTERVAL",
        "DATE",
        "EXTRACT",
        "YEAR",
        "FROM",
        "SELECT",
        "EXISTS",
        "abs",
        "upper",
        "concat",
        "coalesce",
        "now",
        "count",
        "(",
        ")",
        ",",
        "=",
        "<>",
        "<",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "||",
        "~",
        "::",
        ";",
        ".",
        "[",
        "]",
        "{",
        "}",
        ":",
        "?",
        "$1",
        "@",
        "--",
        "/*",
        "'",
        "\"",
        "`",
        "\\",
        "\0",
        "ñ",
        "💥",
        "date_trunc",
        "to_date",
        "regexp_like",
        "SUBSTRING",
        "TRIM",
        "POSITION",
        "FOR",
        "DISTINCT",
        "ANY",
        "substr",
        "round",
        "date_part",
        "'month'",
    ];
    proptest::sample::select(words.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        let _ = read(&text);
    }

    #[test]
    fn no_heap_of_words_panics(words in proptest::collection::vec(word(), 0..25)) {
        let _ = read(&words.join(" "));
    }

    #[test]
    fn a_column_is_found_whatever_its_name(name in "\\PC{1,20}") {
        let column = Column { name: name.clone(), kind: "integer".to_owned(), nullable: true };
        let condition = Condition::read(&format!("\"{}\" > 3", name.replace('"', "\"\"")), &Columns::described(&[column]).unwrap());
        prop_assert_eq!(condition.map(|condition| condition.columns().iter().cloned().collect::<Vec<_>>()), Ok(vec![name]));
    }
}
