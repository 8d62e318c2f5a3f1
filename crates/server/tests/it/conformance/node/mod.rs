//! What Node's `http` answered to raw bytes (`../../../vectors/node_http_cases.json`), asked again of narae.
//!
//! In: the bytes, and Node's answers to them. Out: nothing, if the statuses, the bodies, what the handler saw and what
//! becomes of the connection are the same, or are in the one table of reasoned differences, [`differences::RULES`].
//! A rule says how many cases it covers. Whatever Node refuses is refused here, whatever the table says.

mod differences;
mod handlers;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::wire::Answers;
use crate::client::{BOTH, Client, Over};
use crate::site::Site;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

/// One exchange with Node. Each character of a text is one byte.
#[derive(Deserialize)]
struct Case {
    id: u64,
    group: String,
    name: String,
    #[serde(default)]
    server_options: Map<String, Value>,
    /// Texts, and pauses. Empty where only a number of fields was tried, which the name tells.
    #[serde(default)]
    request: Vec<Value>,
    response: Option<String>,
    #[serde(default)]
    closed_by_server: bool,
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        let Some(count) = self.count_of_fields() else {
            let writes: String = self.request.iter().filter_map(Value::as_str).map(whole).collect();
            return writes.chars().map(|byte| u8::try_from(u32::from(byte)).unwrap()).collect();
        };
        let fields: String = (0..count).map(|n| format!("x{n}: y\r\n")).collect();
        format!("GET /end HTTP/1.1\r\nHost: x\r\n{fields}\r\n").into_bytes()
    }

    fn count_of_fields(&self) -> Option<usize> {
        let count = self.name.split(" tiny extra").next()?;
        if self.request.is_empty() { count.parse().ok() } else { None }
    }

    fn nodes(&self) -> Result<Facts, String> {
        let Some(response) = &self.response else {
            return Ok(Facts { statuses: vec![200], bodies: vec!["hi".into()], closes: false });
        };
        let bytes: Vec<u8> = response.chars().filter_map(|byte| u8::try_from(u32::from(byte)).ok()).collect();
        let answers = Answers::read(&self.bytes(), &String::from_utf8_lossy(&bytes))?;
        Ok(Facts::of(&answers, self.closed_by_server))
    }

    /// The client ended its side after its bytes.
    fn ends(&self) -> bool {
        self.name.ends_with(", FIN") || self.name.contains("half-close")
    }
}

/// A text of which the middle was left out: `aaa…(2035 bytes)` is so many bytes with its end.
fn whole(text: &str) -> String {
    let Some((start, count)) = text.split_once('\u{2026}') else { return text.to_owned() };
    let length: usize = count.trim_matches(['(', ')']).trim_end_matches(" bytes").parse().unwrap();
    let end = if text.contains(" HTTP/1.1") { "\r\n\r\n" } else { " HTTP/1.1\r\nHost: x\r\n\r\n" };
    format!("{start}{}{end}", "a".repeat(length - start.len() - end.len()))
}

/// What both servers are compared in.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    statuses: Vec<u16>,
    bodies: Vec<String>,
    closes: bool,
}

impl Facts {
    fn of(answers: &Answers, closes: bool) -> Self {
        // Whether the body was asked for depends on whether it was there already.
        let answers: Vec<_> = answers.0.iter().filter(|answer| answer.status != 100).collect();
        let bodies = answers.iter().map(|answer| match answer.status {
            100..=299 => seen(&answer.body),
            // What is said of an error is each server's own.
            _ => String::new(),
        });
        Self {
            statuses: answers.iter().map(|answer| answer.status).collect(),
            bodies: bodies.collect(),
            closes,
        }
    }

    fn refuses(&self) -> bool {
        self.statuses.last().is_none_or(|status| *status >= 400)
    }
}

/// Of what an echoing handler shows, the parts that both show.
fn seen(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(Value::Object(shown)) => ["method", "url", "v", "body"]
            .map(|key| shown.get(key).map_or(String::new(), Value::to_string))
            .join(" "),
        _ => body.to_owned(),
    }
}

const LAST: &str = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// What narae answers, or why its answer cannot be read.
fn ask(site: &Site, over: Over, case: &Case) -> Result<Facts, String> {
    let mut client = Client::connect(site, over);
    let _ = client.try_send(&case.bytes()).and_then(|()| match case.ends() {
        true => {
            client.end();
            Ok(())
        }
        false => client.try_send(LAST.as_bytes()),
    });
    let text = client.rest().map_err(|error| error.to_string())?;
    let mut answers = Answers::read(&case.bytes(), &text)?;
    let stays = answers.0.last().is_some_and(|answer| answer.body == "last");
    if stays {
        answers.0.pop();
    }
    Ok(Facts::of(&answers, !stays))
}

#[test]
fn each_answer_is_nodes_or_differs_for_a_reason_in_the_table() {
    let vectors: Vectors =
        serde_json::from_str(include_str!("../../../vectors/node_http_cases.json")).unwrap();
    let site = Site::with(handlers::routes(), narae_server::Limits::default());
    let mut covered = vec![0; differences::RULES.len()];
    let mut faults = Vec::new();
    for case in &vectors.cases {
        let nodes = case.nodes();
        let rule = differences::RULES.iter().position(|rule| (rule.covers)(case));
        if let Some(rule) = rule {
            covered[rule] += 1;
        }
        for over in BOTH {
            let ours = ask(&site, over, case);
            let rule = rule.filter(|rule| over == Over::Plain || !differences::RULES[*rule].is_plain_only);
            let shown = || format!("{} {} over {over:?}: {ours:?}, Node {nodes:?}", case.id, case.name);
            let is_lax =
                nodes.as_ref().is_ok_and(Facts::refuses) && ours.as_ref().is_ok_and(|ours| !ours.refuses());
            if is_lax && !rule.is_some_and(|rule| differences::RULES[rule].may_be_laxer) {
                faults.push(format!("{} is laxer than Node", shown()));
            } else if (ours == nodes) != rule.is_none() {
                let known = rule.map_or("without a reason", |rule| differences::RULES[rule].reason);
                faults.push(format!("{}: {known}", shown()));
            }
        }
    }
    for (rule, count) in differences::RULES.iter().zip(covered) {
        if rule.cases != count {
            faults.push(format!("{count} cases, not {}, differ because {}", rule.cases, rule.reason));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
