//! How the account looks.
//!
//! In: a [`Document`], messages, and what the form holds. Out: the page. Works without scripts: everything is
//! a form or a link.

use narae::session::Flash;

use super::account::{Document, MAX_NAME, PASSWORD, Row};
use super::site;
use super::template::{Value, fill};

/// The whole page. `name` stands in the form; `is_tls`: the request came over TLS.
pub(super) fn render(document: &Document, flashes: &[Flash], name: &str, is_tls: bool) -> String {
    let heading =
        document.user.as_ref().map_or_else(|| "Account".to_owned(), |user| format!("Hello, {user}"));
    let main = match document.user {
        Some(_) => devices(&document.devices),
        None => login(name, is_tls),
    };
    let pid = document.served_by.pid.to_string();
    let served = match document.served_by.slot {
        Some(slot) => {
            let values = [("slot", Value::Text(&slot.to_string())), ("pid", Value::Text(&pid))];
            fill(include_str!("site/account_worker.html"), &values)
        }
        None => fill(include_str!("site/account_process.html"), &[("pid", Value::Text(&pid))]),
    };
    let main = fill(
        include_str!("site/account.html"),
        &[
            ("heading", Value::Text(&heading)),
            ("flashes", Value::Html(&flashes.iter().map(flash).collect::<String>())),
            ("visits", Value::Text(&times(document.visits))),
            ("served", Value::Html(&served)),
            ("main", Value::Html(&main)),
        ],
    );
    site::page("/account", "Account", &main)
}

/// An error is read out at once, anything else when there is time.
fn flash(flash: &Flash) -> String {
    let is_error = flash.kind == "error";
    fill(
        "<p class=\"notice{{class}}\" role=\"{{role}}\">{{text}}</p>\n",
        &[
            ("class", Value::Html(if is_error { " error" } else { "" })),
            ("role", Value::Html(if is_error { "alert" } else { "status" })),
            ("text", Value::Text(&flash.text)),
        ],
    )
}

fn login(name: &str, is_tls: bool) -> String {
    let (cookie, scheme, other) =
        if is_tls { ("__Host-sid", "https", "http") } else { ("sid", "http", "https") };
    fill(
        include_str!("site/account_login.html"),
        &[
            ("name", Value::Text(name)),
            ("length", Value::Text(&MAX_NAME.to_string())),
            ("password", Value::Text(PASSWORD)),
            ("cookie", Value::Text(cookie)),
            ("scheme", Value::Text(scheme)),
            ("other", Value::Text(other)),
        ],
    )
}

fn devices(devices: &[Row]) -> String {
    let rows: String = devices.iter().map(device).collect();
    let is_alone = devices.len() < 2;
    let elsewhere = if is_alone { "" } else { include_str!("site/account_elsewhere.html") };
    let hint = if is_alone {
        "Log in with another browser, or in a private window, and it joins this list."
    } else {
        ""
    };
    fill(
        include_str!("site/account_devices.html"),
        &[("rows", Value::Html(&rows)), ("elsewhere", Value::Html(elsewhere)), ("hint", Value::Text(hint))],
    )
}

fn device(row: &Row) -> String {
    let name = row.device.name();
    let unknown = || "some time ago".to_owned();
    let logged_in = row.logged_in.clone().unwrap_or_else(unknown);
    let texts = [
        ("handle", row.handle.clone()),
        ("name", name),
        ("logged-in", logged_in),
        ("logged-in-at", row.logged_in_at.clone().unwrap_or_default()),
        ("seen", row.seen.clone().unwrap_or_else(unknown)),
        ("seen-at", row.seen_at.clone().unwrap_or_default()),
    ];
    let values: Vec<_> = texts.iter().map(|(place, text)| (*place, Value::Text(text))).collect();
    let last = if row.is_current {
        "<span class=\"this\">this device</span>".to_owned()
    } else {
        fill(include_str!("site/account_revoke.html"), &values)
    };
    let mut values = values;
    values.push(("current", Value::Html(if row.is_current { " data-current" } else { "" })));
    values.push(("last", Value::Html(&last)));
    fill(include_str!("site/account_device.html"), &values)
}

/// `once`, `2 times`.
fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
