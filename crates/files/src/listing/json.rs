//! Writes a listing as JSON: an array of objects in the form of nginx's `autoindex_format json`.
//!
//! In: a [`Listing`]. Out: text. A name that is not UTF-8 has U+FFFD where it is not.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{Entry, Listing};
use crate::validators::LAST_HTTP_SECOND;

pub(super) fn text(listing: &Listing) -> String {
    Value::Array(listing.entries.iter().map(entry).collect()).to_string()
}

fn entry(entry: &Entry) -> Value {
    let seconds = u64::try_from(entry.modified.seconds).unwrap_or_default().min(LAST_HTTP_SECOND);
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let mut value = json!({
        "name": String::from_utf8_lossy(&entry.name),
        "type": if entry.is_folder { "directory" } else { "file" },
        "mtime": httpdate::fmt_http_date(modified),
    });
    if !entry.is_folder {
        value["size"] = entry.len.into();
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_file::Modified;

    #[test]
    fn names_and_facts_are_in_the_form_that_nginx_made_known() {
        let modified = Modified { seconds: 784_111_777, nanoseconds: 5 };
        let entries = vec![
            Entry { name: b"docs".to_vec(), is_folder: true, len: 0, modified },
            Entry { name: b"a\"\xFF.txt".to_vec(), is_folder: false, len: 12, modified },
            Entry {
                name: b"odd".to_vec(),
                is_folder: false,
                len: 0,
                modified: Modified { seconds: i64::MAX, nanoseconds: 0 },
            },
        ];
        let read: Value = serde_json::from_str(&text(&Listing { entries, left_out: 0 })).unwrap();
        assert_eq!(
            read[0],
            json!({"name": "docs", "type": "directory", "mtime": "Sun, 06 Nov 1994 08:49:37 GMT"})
        );
        assert_eq!(
            read[1],
            json!({"name": "a\"\u{FFFD}.txt", "type": "file", "size": 12, "mtime": "Sun, 06 Nov 1994 08:49:37 GMT"})
        );
        assert_eq!(read[2]["mtime"], "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
