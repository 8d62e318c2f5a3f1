//! RFC 9110: methods (§9), HEAD (§9.3.2), Expect (§10.1.1), Date (§6.6.1), what an answer has (§6.4, §8.6, §15).

use super::{Case, Closes, Stays, case, check};

pub fn cases() -> Vec<Case> {
    let mut cases = methods();
    cases.extend(expectations());
    cases.extend(answers());
    cases
}

fn methods() -> Vec<Case> {
    let mut cases = Vec::new();
    for method in
        ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "M-SEARCH", "QUERY"]
    {
        let bytes = format!("{method} /all HTTP/1.1\r\nHost: a\r\n\r\n");
        cases.push(
            case("9110 §9", format!("the method {method}"), bytes, &[200], Stays)
                .seen(format!("{method} /all")),
        );
    }
    for method in ["BREW", "get", "Get", "GETX", "X-GET", "!", "#GET", "PRIX"] {
        let bytes = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        cases.push(case("9110 §15.6.2", format!("the unknown method {method}"), bytes, &[501], Closes));
    }
    cases.push(
        case(
            "9110 §15.5.6",
            "a method that a resource has not",
            "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n",
            &[405],
            Stays,
        )
        .field("allow: "),
    );
    for path in ["/", "/nothing", "/empty", "/teapot"] {
        let bytes = format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let status = match path {
            "/nothing" => 404,
            "/teapot" => 418,
            _ => 200,
        };
        let name = format!("HEAD {path} has no body");
        cases.push(case("9110 §9.3.2", name, bytes, &[status], Stays).field("content-length: "));
    }
    cases
}

fn expectations() -> Vec<Case> {
    let mut cases = Vec::new();
    let post = |path: &str, fields: &str, body: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    for value in ["100-continue", "100-Continue", " 100-CONTINUE\t"] {
        let bytes = post("/echo", &format!("Expect: {value}\r\n"), "");
        cases.push(case("9110 §10.1.1", format!("Expect: {value:?} without a body"), bytes, &[200], Stays));
    }
    for value in
        ["x", "100-continue2", "200-ok", "100", "", "100-continue, x", "x, 100-continue", "100-continue=y"]
    {
        let bytes = post("/echo", &format!("Expect: {value}\r\n"), "");
        cases.push(case("9110 §10.1.1", format!("another expectation: {value:?}"), bytes, &[417], Closes));
    }
    cases.push(case(
        "9110 §10.1.1",
        "another expectation in a second field",
        post("/echo", "Expect: 100-continue\r\nExpect: x\r\n", ""),
        &[417],
        Closes,
    ));
    cases.push(case(
        "9110 §10.1.1",
        "100-continue in HTTP/1.0 is ignored",
        "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
        &[200],
        Closes,
    ));
    cases.push(case(
        "9110 §10.1.1",
        "a body that nobody wants is not asked for",
        "POST /ignore HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 50\r\n\r\n",
        &[200],
        Closes,
    ));
    cases.push(case(
        "9110 §10.1.1",
        "a refused request is not asked to go on",
        "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 50\r\n\r\n",
        &[400],
        Closes,
    ));
    cases
}

fn answers() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, bytes, status, then) in [
        ("200", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, Stays),
        ("404", "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", 404, Stays),
        ("500", "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n", 500, Stays),
        ("the server's 400", "GET / HTTP/1.1\r\n\r\n", 400, Closes),
        ("the server's 501", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501, Closes),
        ("the engine's 400", "hello\r\n\r\n", 400, Closes),
        ("a 400 for a line's end", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400, Closes),
    ] {
        cases.push(
            case("9110 §6.6.1", format!("{name} has a Date"), bytes, &[status], then).field("\r\ndate: "),
        );
        if then == Closes {
            let name = format!("{name} says that it is the last");
            cases.push(case("9112 §9.6", name, bytes, &[status], then).field("connection: close"));
        }
    }
    for (path, status) in [("/204", 204), ("/304", 304)] {
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let name = format!("{status} has no coding");
        cases.push(case("9112 §6.1", name, bytes, &[status], Stays).no_field("transfer-encoding"));
    }
    let no_length = "GET /204 HTTP/1.1\r\nHost: a\r\n\r\n";
    cases.push(case("9110 §8.6", "204 has no length", no_length, &[204], Stays).no_field("content-length"));
    cases.push(
        case(
            "9112 §6.1",
            "an answer of unknown length is in chunks",
            "GET /pieces HTTP/1.1\r\nHost: a\r\n\r\n",
            &[200],
            Stays,
        )
        .seen("hello")
        .field("transfer-encoding: chunked"),
    );
    cases
}

#[test]
fn methods_expectations_and_answers_mean_what_they_say() {
    check(&cases());
}
