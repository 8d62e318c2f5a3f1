//! Chromium: a person visits a site that `narae serve` serves. The screenshots stay in the target folder.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::browser::browse;
use crate::narae;

fn write(folder: &Path, name: &str, content: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    // Long ago, and each at its own time.
    let age = Duration::from_secs(1_600_000_000 + 86_400 * content.len() as u64);
    fs::File::options().write(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH + age).unwrap();
}

/// A page with all that pages have, and a folder to look around in.
fn build(folder: &Path) {
    let page = format!(
        "<!doctype html><html lang=\"en\"><title>A site</title><link rel=\"stylesheet\" href=\"style.css\">\
         <link rel=\"icon\" href=\"data:,\"><h1>A site</h1><img src=\"picture.svg\" alt=\"\"><p id=\"said\"></p>\
         <script type=\"module\" src=\"app.3f2a9c1b.js\"></script><!-- {} --></html>",
        "words ".repeat(200)
    );
    write(folder, "index.html", page.as_bytes());
    write(
        folder,
        "style.css",
        format!("body {{ color: #123456 }}\n{}", "/* style */\n".repeat(100)).as_bytes(),
    );
    let script = format!(
        "const answer = await fetch('data.json');\n\
         document.querySelector('#said').textContent = (await answer.json()).said;\n{}",
        "// comment\n".repeat(100)
    );
    write(folder, "app.3f2a9c1b.js", script.as_bytes());
    let data = format!("{{\"said\": \"the script ran\", \"numbers\": [{}]}}", vec!["123"; 300].join(", "));
    write(folder, "data.json", data.as_bytes());
    let picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"64\" height=\"64\">{}</svg>",
        "<circle cx=\"32\" cy=\"32\" r=\"30\" fill=\"teal\"/>".repeat(20)
    );
    write(folder, "picture.svg", picture.as_bytes());
    fs::File::create(folder.join("large.bin")).unwrap().set_len(3_000_000).unwrap();
    for name in ["pictures/one.jpg", "drafts/x.txt", "<b>bold & \"quoted\".txt"] {
        write(folder, &format!("folder/{name}"), b"content");
    }
    write(folder, "folder/Report.pdf", &vec![0; 123_456]);
    write(folder, "folder/archive.tar.gz", &vec![0; 7_654_321]);
    write(folder, "folder/한글.txt", b"x");
    let long = "a long name that goes on and on until it needs another line on a small screen.txt";
    write(folder, &format!("folder/{long}"), &[0; 2048]);
}

#[test]
fn a_person_visits_a_site_twice_and_looks_around_in_a_folder() {
    let home = tempfile::tempdir().unwrap();
    build(&home.path().join("site"));
    let arguments = ["serve", "site", "--listing", "--immutable", "--log", "off"];
    let addresses = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"];
    let mut program = narae::start(home.path(), &[&arguments[..], &addresses].concat());
    for scheme in ["http", "https"] {
        let site = format!("{scheme}://localhost:{}", program.address(&format!("{scheme}://")).port());
        let screenshots = ["", "-phone", "-dark"].map(|suffix| format!("listing-{scheme}{suffix}"));
        browse("js/site.mjs", &site, &screenshots.each_ref().map(String::as_str));
    }
}
