//! [`Device`]: what a browser says of itself, in words for its owner.
//!
//! In: `User-Agent`. Out: "Firefox on Windows". A help for the memory, no proof: every browser can call
//! itself what it likes, and an iPad calls itself a Mac.

use axum::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};

/// The browser and the system that somebody logged in with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Device {
    /// `Firefox`; "another program" if it is not known.
    pub(super) browser: String,
    /// `Windows`; `None` if it is not said.
    pub(super) system: Option<String>,
}

/// What gives a browser away, the telltale first: most of them also call themselves what is below.
const BROWSERS: [(&str, &str); 16] = [
    ("curl/", "curl"),
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("Whale/", "Whale"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("KAKAOTALK", "KakaoTalk"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// The same for systems.
const SYSTEMS: [(&str, &str); 7] = [
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

impl Device {
    /// Reads what the request's sender says of itself.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Self::parse(agent.unwrap_or_default())
    }

    /// `Firefox on Windows`.
    pub(super) fn name(&self) -> String {
        match &self.system {
            Some(system) => format!("{} on {system}", self.browser),
            None => self.browser.clone(),
        }
    }

    /// Nothing is known of it.
    pub(super) fn unknown() -> Self {
        Self::parse("")
    }

    fn parse(agent: &str) -> Self {
        let find = |known: &[(&str, &str)]| {
            known.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| (*name).to_owned())
        };
        Self {
            browser: find(&BROWSERS).unwrap_or_else(|| "another program".to_owned()),
            system: find(&SYSTEMS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_and_systems_are_named_in_plain_words() {
        let mozilla = "Mozilla/5.0 (";
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (agent, name) in [
            (
                format!("{mozilla}X11; Linux x86_64) {webkit} Chrome/140.0.0.0 Safari/537.36"),
                "Chrome on Linux",
            ),
            (
                format!("{mozilla}X11; Linux x86_64) {webkit} HeadlessChrome/140.0 Safari/537.36"),
                "Chrome on Linux",
            ),
            (
                format!(
                    "{mozilla}Windows NT 10.0; Win64; x64) {webkit} Chrome/140.0.0.0 Safari/537.36 Edg/140.0"
                ),
                "Edge on Windows",
            ),
            (
                format!(
                    "{mozilla}Windows NT 10.0; Win64; x64) {webkit} Chrome/138.0 Whale/4.33 Safari/537.36"
                ),
                "Whale on Windows",
            ),
            (
                format!(
                    "{mozilla}Linux; Android 14; SM-S928N) {webkit} SamsungBrowser/26.0 Chrome/122.0 Safari/537"
                ),
                "Samsung Internet on Android",
            ),
            (
                format!(
                    "{mozilla}iPhone; CPU iPhone OS 17_5 like Mac OS X) {webkit} Version/17.5 Safari/604.1"
                ),
                "Safari on iPhone",
            ),
            (
                format!("{mozilla}iPhone; CPU iPhone OS 17_5 like Mac OS X) {webkit} CriOS/126 Safari/604"),
                "Chrome on iPhone",
            ),
            (
                format!("{mozilla}Macintosh; Intel Mac OS X 10.15; rv:128.0) Gecko/20100101 Firefox/128.0"),
                "Firefox on macOS",
            ),
            ("curl/8.5.0".to_owned(), "curl"),
            ("python-requests/2.32".to_owned(), "another program"),
            (String::new(), "another program"),
        ] {
            assert_eq!(Device::parse(&agent).name(), name, "{agent}");
        }
    }
}
