//! [`Format`]: which line the access log writes, and its names.
//!
//! In: a name or a text with tokens, as an operator writes it. Out: a
//! [`Plan`], the form `line` writes from and `record` captures for. Every
//! mistake in a format is found here, when the log is set up, and never when a
//! line is written.

use std::fmt;
use std::str::FromStr;

use super::pattern::{Part, Pattern, Token, has_token};

/// The shape of an access log line.
///
/// The text formats are those of morgan. A value that is missing or empty
/// prints as `-`. The length of the six named text formats is the
/// `Content-Length` that the application set; without one, the size of the
/// body if it is known before it is sent; else `-`. (morgan prints `-` for a
/// length that Node adds by itself. A [`Custom`](Self::Custom) format with
/// `:res[content-length]` does as morgan does.)
///
/// Parsed from its lower-case name, or from a text with at least one token:
///
/// ```
/// use narae_layers::Format;
///
/// assert_eq!("tiny".parse(), Ok(Format::Tiny));
/// let format: Format = ":method :url :status :response-time ms".parse()?;
/// assert!("combind".parse::<Format>().is_err());
/// # Ok::<(), narae_layers::FormatError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// `GET /a 200 1.235 ms - 5`; with colours for a terminal if
    /// [`AccessLog::color`](super::AccessLog::color) asks for them.
    Dev,
    /// Apache's combined log format: [`Common`](Self::Common), then
    /// `"referrer" "user agent"`.
    Combined,
    /// Apache's common log format:
    /// `addr - user [01/Jun/2024:07:08:09 +0000] "GET /a HTTP/1.1" 200 5`.
    Common,
    /// [`Combined`](Self::Combined) with the date as
    /// `Sat, 01 Jun 2024 07:08:09 GMT`.
    Default,
    /// `addr user GET /a HTTP/1.1 200 5 - 1.235 ms`.
    Short,
    /// `GET /a 200 5 - 1.235 ms`.
    Tiny,
    /// One JSON object: `time` (RFC 3339, UTC, milliseconds; when the line is
    /// written), `addr`, `user`, `method`, `url`, `version`, `status`, `bytes`
    /// (of the body, as handed to the server), `duration_ms` (from the request
    /// to the end of the body), `referrer`, `agent`. A value that is missing
    /// is `null`. `request_id` is there if the response has one, `aborted` is
    /// there, and `true`, if the exchange ended before the body's end.
    Json,
    /// A text with morgan's tokens.
    Custom(Pattern),
}

/// What is wrong with the text of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatError {
    /// Neither the name of a format nor a text with a token.
    UnknownName(String),
    /// A word after a colon that is no token.
    UnknownToken(String),
    /// `:req` or `:res` without the name of a header in brackets.
    MissingHeader(String),
    /// A token with an argument in brackets that it cannot use.
    BadArgument {
        /// The token's name, without the colon.
        token: String,
        /// The text between the brackets.
        argument: String,
        /// What may stand there.
        expected: &'static str,
    },
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName(name) => write!(
                f,
                "no access log format is called {name:?}: use {}, or a text with tokens such as \
                 \":method :url :status\"",
                NAMES.map(|(name, _)| name).join(", ")
            ),
            Self::UnknownToken(token) => write!(
                f,
                "no access log token is called \":{token}\": use {}",
                Token::NAMES.map(|name| format!(":{name}")).join(", ")
            ),
            Self::MissingHeader(token) => {
                write!(f, "the access log token \":{token}\" needs the name of a header: \":{token}[name]\"")
            }
            Self::BadArgument { token, argument, expected } => {
                write!(f, "{argument:?} cannot stand in \":{token}[{argument}]\": use {expected}")
            }
        }
    }
}

impl std::error::Error for FormatError {}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        if let Some((_, format)) = NAMES.into_iter().find(|(name, _)| *name == text) {
            return Ok(format);
        }
        if !has_token(text) {
            return Err(FormatError::UnknownName(text.to_owned()));
        }
        text.parse().map(Self::Custom)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Custom(pattern) => pattern.fmt(f),
            named => {
                let name = NAMES.into_iter().find(|(_, format)| format == named);
                f.write_str(name.map_or("", |(name, _)| name))
            }
        }
    }
}

const NAMES: [(&str, Format); 7] = [
    ("dev", Format::Dev),
    ("combined", Format::Combined),
    ("common", Format::Common),
    ("default", Format::Default),
    ("short", Format::Short),
    ("tiny", Format::Tiny),
    ("json", Format::Json),
];

/// A [`Format`] made ready: how to write, and what to keep for it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The text line to write; `None` for JSON.
    pub(super) text: Option<Pattern>,
    /// What to keep from an exchange.
    pub(super) wants: Wants,
}

/// The values that a line prints: what it does not print is not captured.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wants {
    pub(super) url: bool,
    pub(super) addr: bool,
    pub(super) user: bool,
    pub(super) referrer: bool,
    pub(super) agent: bool,
    pub(super) length: bool,
    pub(super) response_time: bool,
    pub(super) total_time: bool,
    /// Bytes sent, the request's id, and whether the body ended: JSON's own.
    pub(super) fate: bool,
}

impl Plan {
    /// The plan for `format`; `color` matters to `Dev` only.
    pub(super) fn new(format: &Format, color: bool) -> Self {
        let text = match format {
            Format::Dev if color => Pattern::built_in(DEV_IN_COLOR),
            Format::Dev => Pattern::built_in(DEV),
            Format::Combined => Pattern::built_in(COMBINED),
            Format::Common => Pattern::built_in(COMMON),
            Format::Default => Pattern::built_in(DEFAULT),
            Format::Short => Pattern::built_in(SHORT),
            Format::Tiny => Pattern::built_in(TINY),
            Format::Custom(pattern) => pattern.clone(),
            Format::Json => return Self { text: None, wants: Wants::json() },
        };
        Self { wants: Wants::text(&text), text: Some(text) }
    }
}

impl Wants {
    fn json() -> Self {
        Self {
            url: true,
            addr: true,
            user: true,
            referrer: true,
            agent: true,
            length: false,
            response_time: false,
            total_time: true,
            fate: true,
        }
    }

    fn text(pattern: &Pattern) -> Self {
        let mut wants = Self::default();
        for part in pattern.parts() {
            match part {
                Part::Token(Token::Url) => wants.url = true,
                Part::Token(Token::RemoteAddr) => wants.addr = true,
                Part::Token(Token::RemoteUser) => wants.user = true,
                Part::Token(Token::Referrer) => wants.referrer = true,
                Part::Token(Token::UserAgent) => wants.agent = true,
                Part::Token(Token::Length) => wants.length = true,
                Part::Token(Token::ResponseTime(_)) => wants.response_time = true,
                Part::Token(Token::TotalTime(_)) => wants.total_time = true,
                // The rest is always at hand, or listed by the pattern itself.
                Part::Literal(_) | Part::Token(_) => {}
            }
        }
        wants
    }
}

// `:length` and `:color` are tokens of the built-in formats only.
const COMBINED: &str = ":remote-addr - :remote-user [:date[clf]] \":method :url HTTP/:http-version\" :status \
                        :length \":referrer\" \":user-agent\"";
const COMMON: &str =
    ":remote-addr - :remote-user [:date[clf]] \":method :url HTTP/:http-version\" :status :length";
const DEFAULT: &str = ":remote-addr - :remote-user [:date] \":method :url HTTP/:http-version\" :status \
                       :length \":referrer\" \":user-agent\"";
const SHORT: &str =
    ":remote-addr :remote-user :method :url HTTP/:http-version :status :length - :response-time ms";
const TINY: &str = ":method :url :status :length - :response-time ms";
const DEV: &str = ":method :url :status :response-time ms - :length";
const DEV_IN_COLOR: &str =
    "\u{1b}[0m:method :url :color:status\u{1b}[0m :response-time ms - :length\u{1b}[0m";

#[cfg(test)]
mod tests {
    use super::{Format, FormatError, NAMES, Plan};

    #[test]
    fn every_name_is_read_and_written_back() {
        for (name, format) in NAMES {
            assert_eq!(name.parse(), Ok(format.clone()));
            assert_eq!(format.to_string(), name);
        }
        let text = ":method :url :res[content-length]";
        assert_eq!(text.parse::<Format>().unwrap().to_string(), text);
    }

    #[test]
    fn every_built_in_format_has_a_plan() {
        for (_, format) in NAMES {
            for color in [false, true] {
                let plan = Plan::new(&format, color);
                assert_eq!(plan.text.is_none(), format == Format::Json);
            }
        }
    }

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_names() {
        for text in ["combind", "", "Dev", "no tokens: here"] {
            let error = text.parse::<Format>().unwrap_err();
            assert_eq!(error, FormatError::UnknownName(text.to_owned()));
            assert!(
                error.to_string().contains("dev, combined, common, default, short, tiny, json"),
                "{error}"
            );
        }
    }

    #[test]
    fn an_unknown_token_is_an_error_that_lists_the_tokens() {
        let error = ":method :statuss".parse::<Format>().unwrap_err();
        assert_eq!(error, FormatError::UnknownToken("statuss".to_owned()));
        assert!(error.to_string().contains(":method, "), "{error}");
    }

    #[test]
    fn tokens_of_the_built_in_formats_are_not_for_others() {
        for text in [":length", ":color"] {
            assert!(matches!(text.parse::<Format>(), Err(FormatError::UnknownToken(_))), "{text}");
        }
    }

    #[test]
    fn a_plan_wants_only_what_its_line_prints() {
        let wants = Plan::new(&Format::Combined, false).wants;
        assert!(wants.referrer && wants.agent && wants.length && !wants.response_time && !wants.fate);
        let wants = Plan::new(&Format::Tiny, false).wants;
        assert!(wants.url && wants.response_time && !wants.agent && !wants.addr);
    }
}
