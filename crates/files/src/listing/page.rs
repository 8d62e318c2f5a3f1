//! Writes a listing as an HTML page.
//!
//! In: a [`Listing`], the folder's path and the order. Out: text. Every name is escaped where it is text and
//! percent-encoded where it is a link, and links are relative, so the page is right under any prefix.

use std::fmt::Write;

use percent_encoding::percent_encode;

use super::{Entry, Listing, Order, Sort};
use crate::{open_file::Modified, redirect::NAME, validators::LAST_HTTP_SECOND};

pub(super) fn text(listing: &Listing, path: &[u8], order: Order) -> String {
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
    let title = names.last().map_or_else(|| "Files".to_owned(), |name| escaped(name));
    let rows: String = listing.entries.iter().map(row).collect();
    let above = if names.is_empty() { "" } else { ABOVE };
    let columns: String = COLUMNS.iter().map(|column| heading(column, order)).collect();
    let count = listing.entries.len() + listing.left_out;
    let summary = match (count, listing.left_out) {
        (0, _) => "This folder is empty.".to_owned(),
        (1, 0) => "1 entry".to_owned(),
        (count, 0) => format!("{count} entries"),
        (count, left_out) => format!("{count} entries, of which {left_out} are not shown"),
    };
    PAGE.replace("{style}", STYLE)
        .replace("{title}", &title)
        .replace("{crumbs}", &crumbs(&names))
        .replace("{columns}", &columns)
        .replace("{summary}", &summary)
        // Last, so that nothing is looked for in names that peers may have chosen.
        .replacen("{rows}", &(above.to_owned() + &rows), 1)
}

/// The way from the root to this folder; each step is a link.
fn crumbs(names: &[&[u8]]) -> String {
    let mut crumbs = String::new();
    for (depth, name) in std::iter::once(&b"Files"[..]).chain(names.iter().copied()).enumerate() {
        let up = names.len() - depth;
        let text = escaped(name);
        // Writing to a String does not fail.
        let _ = match up {
            0 => write!(crumbs, "<span aria-current=\"page\">{text}</span>"),
            _ => write!(crumbs, "<a href=\"{}\">{text}</a><i>/</i>", "../".repeat(up)),
        };
    }
    crumbs
}

fn heading((by, query, text): &(Sort, &str, &str), order: Order) -> String {
    let is_current = order.by == *by;
    let next = if is_current && !order.descends { "desc" } else { "asc" };
    let state = match (is_current, order.descends) {
        (false, _) => "",
        (true, false) => " aria-sort=\"ascending\"",
        (true, true) => " aria-sort=\"descending\"",
    };
    format!("<th scope=\"col\"{state}><a href=\"?sort={query}&amp;order={next}\">{text}</a></th>")
}

fn row(entry: &Entry) -> String {
    let slash = if entry.is_folder { "/" } else { "" };
    let class = if entry.is_folder { "folder" } else { "file" };
    let size = if entry.is_folder { "<span>–</span>".to_owned() } else { size(entry.len) };
    let (date, machine) = date(entry.modified);
    format!(
        "<tr class=\"{class}\"><td><a href=\"./{}{slash}\">{}{slash}</a></td><td>{size}</td><td><time datetime=\"{machine}\">{date}</time></td></tr>\n",
        percent_encode(&entry.name, NAME),
        escaped(&entry.name),
    )
}

/// Text as it may stand in HTML, in quotes too.
fn escaped(text: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '{' => escaped.push_str("&#123;"),
            // Names that would turn the rest of the line around, or hide in it.
            control if control.is_control() => escaped.push('\u{FFFD}'),
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{FFFD}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Three digits and a unit; the exact number is a tooltip.
fn size(bytes: u64) -> String {
    let mut scaled = bytes as f64;
    let mut unit = 0;
    while scaled >= 999.5 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    let decimals = if unit == 0 || scaled >= 99.95 { 0 } else { 1 };
    format!("<span title=\"{bytes} bytes\">{scaled:.decimals$} {}</span>", UNITS.get(unit).unwrap_or(&"B"))
}

/// For people, and for machines (RFC 3339), in UTC.
fn date(modified: Modified) -> (String, String) {
    // Days since 1970 to year, month, day, for the Gregorian calendar, whose cycle is 146,097 days.
    let seconds = modified.seconds.clamp(0, LAST_HTTP_SECOND as i64);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    (
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}"),
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
    )
}

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const COLUMNS: [(Sort, &str, &str); 3] = [
    (Sort::Name, "name", "Name"),
    (Sort::Size, "size", "Size"),
    (Sort::Modified, "modified", "Modified (UTC)"),
];
const ABOVE: &str = "<tr class=\"above\"><td colspan=\"3\"><a href=\"../\">Parent folder</a></td></tr>\n";
const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(names: &[&[u8]]) -> String {
        let modified = Modified { seconds: 784_111_777, nanoseconds: 0 };
        let entries = names
            .iter()
            .map(|name| Entry { name: name.to_vec(), is_folder: name.ends_with(b"d"), len: 1536, modified })
            .collect();
        text(&Listing { entries, left_out: 0 }, b"a/b c", Order { by: Sort::Name, descends: false })
    }

    #[test]
    fn no_name_becomes_markup_or_leads_elsewhere() {
        let page = listing(&[
            b"<script>alert(1)</script>",
            b"\"onload='x",
            b"javascript:alert(1)",
            b"{rows}",
            b"a\xFFd",
        ]);
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("href=\"./%3Cscript%3Ealert%281%29%3C%2Fscript%3E\">&lt;script&gt;"), "{page}");
        assert!(page.contains("href=\"./%22onload%3D%27x\">&quot;onload=&#39;x<"), "{page}");
        assert!(page.contains("href=\"./javascript%3Aalert%281%29\""), "{page}");
        assert!(page.contains(">&#123;rows}<"), "{page}");
        assert!(page.contains("href=\"./a%FFd/\">a\u{FFFD}d/<"), "{page}");
        assert!(!page.contains("{rows}") && !page.contains("{title}") && !page.contains("{style}"), "{page}");
    }

    #[test]
    fn names_that_turn_the_line_around_are_shown_as_what_they_are() {
        let page = listing(&["a\u{202E}gpj.exe".as_bytes(), b"a\x1b[2J"]);
        assert!(page.contains(">a\u{FFFD}gpj.exe<"), "{page}");
        assert!(page.contains(">a\u{FFFD}[2J<"), "{page}");
    }

    #[test]
    fn the_way_up_is_made_of_relative_links() {
        let page = listing(&[]);
        let crumbs = "<a href=\"../../\">Files</a><i>/</i><a href=\"../\">a</a><i>/</i><span aria-current=\"page\">b c</span>";
        assert!(page.contains(crumbs), "{page}");
        assert!(page.contains("This folder is empty."), "{page}");
    }

    #[test]
    fn the_current_column_turns_its_order_around() {
        let page = listing(&[b"x"]);
        assert!(page.contains("aria-sort=\"ascending\"><a href=\"?sort=name&amp;order=desc\">"), "{page}");
        assert!(page.contains("<th scope=\"col\"><a href=\"?sort=size&amp;order=asc\">"), "{page}");
    }

    #[test]
    fn sizes_have_three_digits_and_a_unit() {
        let check = |bytes: u64, expected: &str| {
            assert_eq!(size(bytes), format!("<span title=\"{bytes} bytes\">{expected}</span>"));
        };
        check(0, "0 B");
        check(999, "999 B");
        check(1000, "1.0 KiB");
        check(1536, "1.5 KiB");
        check(102_400, "100 KiB");
        check(1 << 20, "1.0 MiB");
        check(5 << 30, "5.0 GiB");
        check(u64::MAX, "16.0 EiB");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let check = |seconds: i64, expected: &str| {
            assert_eq!(date(Modified { seconds, nanoseconds: 0 }).1, expected);
        };
        check(0, "1970-01-01T00:00:00Z");
        check(784_111_777, "1994-11-06T08:49:37Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(4_107_542_399, "2100-02-28T23:59:59Z");
        check(4_107_542_400, "2100-03-01T00:00:00Z");
        check(253_402_300_799, "9999-12-31T23:59:59Z");
        check(i64::MAX, "9999-12-31T23:59:59Z");
        check(-1, "1970-01-01T00:00:00Z");
    }
}
