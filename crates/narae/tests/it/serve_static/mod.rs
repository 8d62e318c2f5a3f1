//! Every request that serve-static answered (`../../vectors/static_cases.json`), asked again of [`narae::Files`].
//!
//! In: the requests and answers that Node's packages gave, a target byte for byte. Out: nothing, if each answer is
//! the same in what `facts` compares, or is in the one table of reasoned differences, [`differences::RULES`]. A rule
//! says how many cases it covers: one that no longer differs, or a new one that does, fails the test.

mod configs;
mod differences;
mod facts;
mod tree;

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::site::Site;
use crate::wire::{Reply, Wire};
use configs::Mapped;
use facts::Difference;
use tree::Tree;

#[derive(Deserialize)]
struct Vectors {
    tree: Vec<tree::Entry>,
    symlinks: BTreeMap<String, String>,
    cases: Vec<Case>,
}

/// One request, and what Node answered.
#[derive(Deserialize)]
struct Case {
    id: u64,
    config: String,
    method: String,
    /// Each character is one byte.
    target: String,
    headers: Map<String, Value>,
    response: Answered,
}

/// An answer of Node.
#[derive(Deserialize)]
struct Answered {
    status: u16,
    headers: Vec<(String, String)>,
    /// Each character is one byte. Long ones are a hash instead.
    body: Option<String>,
    body_sha256: Option<String>,
}

impl Case {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.as_str().unwrap())
    }
}

impl Answered {
    fn field(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }
}

#[test]
fn each_answer_is_nodes_or_differs_for_a_reason_in_the_table() {
    let vectors: Vectors = serde_json::from_str(include_str!("../../vectors/static_cases.json")).unwrap();
    let tree = Tree::new(&vectors.tree, &vectors.symlinks);
    let mut sites = Sites { tree: &tree, started: HashMap::new() };
    let mut covered = vec![0; differences::RULES.len()];
    let mut faults = Vec::new();
    for case in &vectors.cases {
        let found = match configs::map(&case.config, &tree) {
            Mapped::To(_) => sites.ask(case),
            Mapped::Nowhere => vec![Difference::not_asked()],
        };
        let mut rules = Vec::new();
        for difference in &found {
            let rule = differences::RULES.iter().position(|rule| (rule.covers)(case, difference));
            match rule {
                Some(rule) => rules.push(rule),
                None => faults.push(format!("{}: {difference} without a reason", shown(case))),
            }
        }
        rules.sort_unstable();
        rules.dedup();
        rules.iter().for_each(|rule| covered[*rule] += 1);
    }
    for (rule, count) in differences::RULES.iter().zip(covered) {
        if rule.cases != count {
            faults.push(format!("{count} cases, not {}, differ because {}", rule.cases, rule.reason));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// The servers that were needed so far, by configuration.
struct Sites<'a> {
    tree: &'a Tree,
    started: HashMap<String, Site>,
}

impl Sites<'_> {
    fn ask(&mut self, case: &Case) -> Vec<Difference> {
        let tags = self.tags(case);
        let fields: String = case
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\r\n", with_our_tags(value.as_str().unwrap(), &tags)))
            .collect();
        let reply = self.send(&case.config, &case.method, &case.target, &fields);
        facts::differences(case, &reply, self.tree)
    }

    /// The tag that Node has for what the case asks for, and the one that narae has, without quotes.
    fn tags(&mut self, case: &Case) -> Option<(String, String)> {
        let path = case.target.split('?').next().unwrap();
        let nodes = self.tree.nodes_tag(path)?;
        let reply = self.send("default", "HEAD", path, "");
        Some((nodes, reply.field("etag")?.trim_matches('"').to_owned()))
    }

    fn send(&mut self, config: &str, method: &str, target: &str, fields: &str) -> Reply {
        let tree = self.tree;
        let site =
            self.started.entry(config.to_owned()).or_insert_with(|| match configs::map(config, tree) {
                Mapped::To(router) => Site::quiet(narae::app(router)),
                Mapped::Nowhere => panic!("{config} is not asked"),
            });
        let text = format!("{method} {target} HTTP/1.1\r\nHost: narae.test\r\n{fields}\r\n");
        let bytes: Vec<u8> = text.chars().map(|byte| u8::try_from(u32::from(byte)).unwrap()).collect();
        let mut wire = Wire::plain(site.address());
        wire.send(&bytes).unwrap();
        wire.reply(method == "HEAD").unwrap()
    }
}

/// A value with Node's tag replaced by narae's: what stands around it, `W/` or a list, is kept.
fn with_our_tags(value: &str, tags: &Option<(String, String)>) -> String {
    match tags {
        Some((nodes, ours)) => value
            .replace(nodes.as_str(), ours)
            .replace(&nodes.to_ascii_uppercase(), &ours.to_ascii_uppercase()),
        None => value.to_owned(),
    }
}

fn shown(case: &Case) -> String {
    let fields: Vec<String> = case.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{} {} {} {} {}", case.id, case.config, case.method, case.target, fields.join(", "))
}
