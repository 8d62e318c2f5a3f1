//! The rules about files, broken one by one.

use super::check_tree;

const PATH: &str = "crates/server/src/module.rs";

/// `code` below a header in a source file: its first line is the second.
fn check_code(code: &str, expected: &[&str]) {
    let text = format!("//! A module.\n{code}");
    let expected: Vec<String> = expected.iter().map(|found| format!("{PATH}:{found}")).collect();
    check_tree(&[(PATH, &text)], &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn every_source_begins_with_a_header() {
    for text in ["", "// no\n", "\n//! late\n", "fn a() {}\n"] {
        check_tree(
            &[
                ("bench/a.rs", text),
                ("crates/server/tests/b.rs", text),
                ("examples/c.rs", text),
                ("xtask/d.rs", text),
            ],
            &[
                "bench/a.rs:1: header",
                "crates/server/tests/b.rs:1: header",
                "examples/c.rs:1: header",
                "xtask/d.rs:1: header",
            ],
        );
    }
    check_tree(&[("fuzz/elsewhere.rs", "")], &[]);
}

#[test]
fn a_file_has_at_most_600_lines_besides_its_tests() {
    let code = |lines: usize| "fn a() {}\n".repeat(lines);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    fn b() {}\n".repeat(700));
    check_code(&(code(599) + &tests), &[]);
    check_code(&(code(600) + &tests), &["601: length | 601 lines"]);
    check_tree(&[("crates/server/tests/long.rs", &format!("//! T.\n{}", code(900)))], &[]);
}

#[test]
fn vague_names_of_files_and_folders_are_refused_wherever_they_are() {
    check_tree(
        &[
            ("crates/server/src/utils.rs", "//! U.\n"),
            ("crates/server/tests/common/a.rs", "//! A.\n"),
            ("crates/server/tests/common/b.rs", "//! B.\n"),
            ("docs/misc", ""),
            ("examples/helpers/page.html", ""),
            ("docs/commonmark.md", ""),
        ],
        &[
            "crates/server/src/utils.rs:1: names | \"utils\"",
            "crates/server/tests/common:1: names | \"common\"",
            "docs/misc:1: names",
            "examples/helpers:1: names",
        ],
    );
}

#[test]
fn ignored_tests_are_refused() {
    for code in ["#[ignore]", "#[ignore = \"slow\"]", "# [ ignore ]", "#[cfg_attr(windows, ignore)]"] {
        check_code(code, &["2: ignore | FIXME(#n)"]);
    }
    check_code("// #[ignore]\nlet a = \"#[ignore]\";\n#[ignored_by_nobody]", &[]);
}

#[test]
fn macros_of_unfinished_code_are_refused() {
    check_code(
        "todo!();\nstd::unimplemented!(\"x\");\nlet a = dbg!(b);",
        &["2: macros | todo!", "3: macros | unimplemented!", "4: macros | dbg!"],
    );
    check_code("not_todo!();\n// todo!()\nlet a = \"dbg!(b)\";", &[]);
}

#[test]
fn a_test_that_sleeps_says_why() {
    let sleeps = [
        "std::thread::sleep(A);",
        "tokio::time::sleep(A).await;",
        "use tokio::time::sleep;",
        "sleep(A).await;",
        "time::sleep_until(A).await;",
    ];
    for line in sleeps {
        let path = "crates/server/tests/t.rs";
        check_tree(&[(path, &format!("//! T.\n{line}\n"))], &["crates/server/tests/t.rs:2: sleep"]);
        check_tree(&[(path, &format!("//! T.\n{line} // tidy: sleep ok: the kernel's timer\n"))], &[]);
        check_tree(&[(path, &format!("//! T.\n// tidy: sleep ok: the kernel's timer\n{line}\n"))], &[]);
        check_tree(
            &[(path, &format!("//! T.\n// tidy: sleep ok:\n{line}\n"))],
            &["crates/server/tests/t.rs:3: sleep"],
        );
        check_code(&format!("#[cfg(test)]\nmod tests {{\n    {line}\n}}\n{line}\n"), &["4: sleep"]);
    }
    check_tree(
        &[(
            "crates/server/tests/t.rs",
            "//! T.\nfn sleep(a: A);\nclock.sleep(a);\nCommand::new(\"sleep(\");\n",
        )],
        &[],
    );
}

#[test]
fn unfinished_business_has_a_number() {
    check_code(
        "// TODO: later\n/// FIXME\n// TODO(me)\n/* FIXME(#) */",
        &["2: todo | TODO(#n)", "3: todo | FIXME(#n)", "4: todo", "5: todo"],
    );
    check_code("// TODO(#12): later\n// FIXME(#3)\n// a TODOS list\nlet a = \"TODO\";", &[]);
}
