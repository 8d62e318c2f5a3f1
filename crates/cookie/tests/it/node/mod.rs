//! Every case that Node's packages answered (`../vectors/`), asked again.
//!
//! A case is passed, or it stands in one of the two tables: [`STRICTER`], where narae refuses on purpose what
//! Node lets through, and [`JAVASCRIPT_ONLY`], whose input no Rust program can write. A case in a table that
//! passes, or a table's case that is not in the files, fails the test.

mod json;
mod parse;
mod serialize;
mod signed;

use std::collections::BTreeSet;

use serde_json::Value;

/// What came of a case.
enum Outcome {
    /// As in Node.
    Same,
    /// Not as in Node.
    Different(String),
    /// The input is not a value of narae's types.
    Unwritable,
}

impl Outcome {
    fn of<T: PartialEq + std::fmt::Debug>(ours: &T, nodes: &T) -> Self {
        if ours == nodes { Self::Same } else { Self::Different(format!("{ours:?}, in Node {nodes:?}")) }
    }
}

/// Asks every case of the list `section` in `text`, and holds the outcomes against the tables.
fn check(file: &str, text: &str, section: &str, ask: impl Fn(&Value) -> Outcome) {
    let vectors: Value = serde_json::from_str(text).unwrap();
    let cases = vectors[section].as_array().unwrap();
    assert!(!cases.is_empty());
    let of_section = |table: &[(&str, &str, &[u64], &str)]| -> BTreeSet<u64> {
        let rows = table.iter().filter(|row| row.0 == file && row.1 == section);
        rows.flat_map(|row| row.2.iter().copied()).collect()
    };
    let (mut stricter, mut javascript_only) = (of_section(STRICTER), of_section(JAVASCRIPT_ONLY));
    let mut faults = Vec::new();
    for (place, case) in (0..).zip(cases) {
        let id = case["id"].as_u64().unwrap_or(place);
        match (ask(case), stricter.remove(&id), javascript_only.remove(&id)) {
            (Outcome::Same, false, false)
            | (Outcome::Different(_), true, false)
            | (Outcome::Unwritable, false, true) => {}
            (Outcome::Same, ..) => faults.push(format!("{id}: passes, yet stands in a table")),
            (Outcome::Different(how), ..) => faults.push(format!("{id}: {how}\n    {case}")),
            (Outcome::Unwritable, ..) => faults.push(format!("{id}: not asked\n    {case}")),
        }
    }
    faults
        .extend(stricter.iter().chain(&javascript_only).map(|id| format!("{id}: in a table, no such case")));
    assert!(faults.is_empty(), "{file}, {section}:\n{}", faults.join("\n"));
}

/// File, list, cases, and why narae refuses them.
const STRICTER: &[(&str, &str, &[u64], &str)] = &[
    ("cookie_serialize", "cases", &[50], "browsers drop what is longer than 4096 bytes"),
    ("cookie_serialize", "cases", &[839], "browsers drop __Host- without Secure and Path=/"),
    ("cookie_serialize", "cases", &[992, 996, 998], "browsers read four digits of a year, 1601 at least"),
    ("cookie_serialize", "cases", &[1029, 1084, 1102], "browsers drop Partitioned without Secure"),
    (
        "cookie_serialize",
        "cases",
        &[1086, 1093, 1104, 1108, 1114],
        "browsers drop SameSite=None without Secure",
    ),
    (
        "signed_cookies",
        "sign",
        &[66, 67, 68, 70, 71, 73, 75, 76, 78, 79, 80, 81, 82, 83],
        "an empty secret is known to everybody",
    ),
    (
        "signed_cookies",
        "unsign",
        &[211, 227, 229, 244, 246, 263, 279],
        "an empty secret is known to everybody",
    ),
];

/// File, list, cases, and why Rust has no such input.
const JAVASCRIPT_ONLY: &[(&str, &str, &[u64], &str)] = &[
    ("json_cookies", "cases", &[45], "a number beyond its range is Infinity there, no JSON here"),
    ("signed_cookies", "middleware", &[30], "there is no option for another decoder"),
    (
        "cookie_serialize",
        "cases",
        &[53, 58, 61, 64],
        "a value is a text: not null, NaN, a list or half a surrogate pair",
    ),
    ("cookie_serialize", "cases", &[865, 866, 867, 868], "a name is a text"),
    ("cookie_serialize", "cases", &[899], "an encoder is applied before `raw`, so it is never a number"),
    (
        "cookie_serialize",
        "cases",
        &[907, 909, 915, 922, 924],
        "a Duration is not negative, not endless, and fits in 64 bits",
    ),
    (
        "cookie_serialize",
        "cases",
        &[916, 918, 926, 927, 929, 930],
        "an age is a Duration, not a text, a truth, a list, an object or a date",
    ),
    ("cookie_serialize", "cases", &[958, 960, 984], "domain and path are texts"),
    (
        "cookie_serialize",
        "cases",
        &[997, 1000, 1001, 1004, 1006],
        "a time to expire at is a SystemTime, which is always valid",
    ),
    ("cookie_serialize", "cases", &[1011, 1013, 1015, 1017], "HttpOnly is true or false"),
    ("cookie_serialize", "cases", &[1022, 1023, 1024, 1026, 1027], "Secure is true or false"),
    ("cookie_serialize", "cases", &[1033, 1035, 1036, 1037, 1039], "Partitioned is true or false"),
    (
        "cookie_serialize",
        "cases",
        &[1046, 1048, 1050, 1051, 1052, 1053, 1056, 1057],
        "a priority is one of three",
    ),
    ("cookie_serialize", "cases", &[1070, 1071, 1072, 1075], "SameSite is one of three"),
    ("cookie_serialize", "express_rows", &[5], "there is no undefined"),
    (
        "cookie_serialize",
        "express_rows",
        &[18, 19, 20, 21, 22, 25, 26],
        "an age is a Duration: no text, not negative, not endless",
    ),
    ("cookie_serialize", "express_rows", &[39], "signing takes a ring, so it cannot be without a secret"),
];
