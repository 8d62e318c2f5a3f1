//! slowhttptest against `narae serve`: slow heads, slow bodies, many ranges, slow reading; and whether the site can be
//! reached meanwhile, by its own probe and by ours.

use std::fs;
use std::process::{Child, Command};

use crate::narae;
use crate::program::{PATIENCE, get};

/// Connections of each attack.
const CONNECTIONS: &str = "300";

/// Ended when dropped.
struct Attacker(Child);

impl Drop for Attacker {
    fn drop(&mut self) {
        // It may have ended; that is what was wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Attacks a site that is served by one worker, for some seconds.
#[track_caller]
fn attack(mode: &str, more: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let site = home.path().join("site");
    fs::create_dir(&site).unwrap();
    fs::write(site.join("index.html"), "a page").unwrap();
    fs::write(site.join("large.bin"), vec![b'x'; 4 << 20]).unwrap();
    let arguments = ["serve", "site", "--http", "127.0.0.1:0", "--workers", "1", "--log", "off"];
    let mut program = narae::start(home.path(), &arguments);
    let address = program.address("http://");
    let mut command = Command::new("slowhttptest");
    command.args([mode, "-c", CONNECTIONS, "-r", CONNECTIONS, "-i", "1", "-l", "4"]);
    // A probe that is not answered in so many seconds means that the site cannot be reached.
    let patience = PATIENCE.as_secs().to_string();
    command.args(["-p", &patience, "-g", "-o", "attack", "-u", &format!("http://{address}/large.bin")]);
    command.args(more).current_dir(home.path());
    let said = home.path().join("said");
    command.stdout(fs::File::create(&said).unwrap());
    let mut attacker = Attacker(command.spawn().unwrap());
    let mut answered = 0;
    let status = loop {
        let answer = get(address, "/");
        assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("a page"), "{answer}");
        answered += 1;
        if let Some(status) = attacker.0.try_wait().unwrap() {
            break status;
        }
    };
    let said = fs::read_to_string(said).unwrap();
    assert!(status.success(), "{answered} answers, {status}\n{said}");
    let table = fs::read_to_string(home.path().join("attack.csv")).unwrap();
    check(&table, &said);
    println!("{mode}: {answered} answers meanwhile\n{table}");
}

/// In every row the site was reached, and at some time the attackers were many.
#[track_caller]
fn check(table: &str, said: &str) {
    let rows: Vec<Vec<u32>> = table
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|cell| cell.trim().parse().unwrap()).collect())
        .collect();
    // The last row is written when the probe is over, too.
    let (_, during) = rows.split_last().unwrap();
    assert!(!during.is_empty() && said.contains("service available"), "{said}");
    for row in during {
        assert!(row.last().is_some_and(|available| *available > 0), "not reached:\n{table}\n{said}");
    }
    assert!(!said.contains("service available:   NO") && !said.contains("NO\x1b"), "{said}");
    // Closed and connected; those of the ranges are answered at once.
    assert!(rows.iter().any(|row| row[1] + row[3] > 100), "{table}");
}

#[test]
fn slow_heads() {
    attack("-H", &["-x", "10"]);
}

#[test]
fn slow_bodies() {
    attack("-B", &["-s", "100000", "-x", "10"]);
}

#[test]
fn many_ranges() {
    attack("-R", &["-a", "5", "-b", "3000"]);
}

#[test]
fn slow_reading() {
    attack("-X", &["-w", "10", "-y", "20", "-n", "1", "-z", "32", "-k", "3"]);
}
