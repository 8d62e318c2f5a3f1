//! [`Pattern`]: a text with morgan's tokens, taken apart.
//!
//! In: the text. Out: literals and tokens in order, and the names of the
//! headers that the tokens read. A token is a colon, then two or more of
//! `A-Z a-z 0-9 _ -`, then perhaps an argument in brackets; a colon before
//! anything else is text. Never sees a request.

use std::fmt;
use std::str::FromStr;

use http::HeaderName;

use super::clock::DateForm;
use super::format::FormatError;

/// The text of a custom format, as morgan reads it.
///
/// | token | prints |
/// |---|---|
/// | `:method` `:url` `:http-version` | the request line's parts |
/// | `:status` | the status, `-` if there was no response |
/// | `:remote-addr` | the client's address |
/// | `:remote-user` | the name in `Authorization: Basic` |
/// | `:referrer` `:user-agent` | those headers of the request |
/// | `:req[name]` `:res[name]` | any header of the request, of the response; several are joined by `, ` |
/// | `:date[web]` `:date[clf]` `:date[iso]` | the time of the line, in UTC; `web` if nothing is given |
/// | `:response-time[digits]` | milliseconds from the request to the response's head; 0 to 9 digits, default 3 |
/// | `:total-time[digits]` | milliseconds from the request to the end of the response |
/// | `:pid` | the process |
///
/// Parsing fails for a token that is not in this table or whose argument it
/// cannot use; morgan finds that out when it writes the first line.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
    request_headers: Vec<HeaderName>,
    response_headers: Vec<HeaderName>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    Token(Token),
}

/// What to print at a place of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Method,
    Url,
    HttpVersion,
    Status,
    RemoteAddr,
    RemoteUser,
    Referrer,
    UserAgent,
    /// The header with this place in [`Pattern::request_headers`].
    RequestHeader(usize),
    /// The header with this place in [`Pattern::response_headers`].
    ResponseHeader(usize),
    Date(DateForm),
    /// With this number of digits after the point.
    ResponseTime(u8),
    /// With this number of digits after the point.
    TotalTime(u8),
    Pid,
    /// Built-in formats only: `Content-Length`, or the size of the body.
    Length,
    /// Built-in formats only: switches the terminal to the status's colour.
    Color,
}

impl Token {
    /// The tokens that may stand in a custom format.
    pub(super) const NAMES: [&'static str; 14] = [
        "method",
        "url",
        "http-version",
        "status",
        "remote-addr",
        "remote-user",
        "referrer",
        "user-agent",
        "req",
        "res",
        "date",
        "response-time",
        "total-time",
        "pid",
    ];
}

impl Pattern {
    /// A format of this crate, with the tokens that only those may use.
    pub(super) fn built_in(text: &'static str) -> Self {
        Self::parse(text, true).expect("a constant of `format`; a test there parses each of them")
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub(super) fn request_headers(&self) -> &[HeaderName] {
        &self.request_headers
    }

    pub(super) fn response_headers(&self) -> &[HeaderName] {
        &self.response_headers
    }

    fn parse(text: &str, built_in: bool) -> Result<Self, FormatError> {
        let mut pattern = Self {
            text: text.to_owned(),
            parts: Vec::new(),
            request_headers: Vec::new(),
            response_headers: Vec::new(),
        };
        let mut rest = text;
        while let Some(found) = next_token(rest) {
            let token = pattern.token(found.name, found.argument, built_in)?;
            pattern.push_literal(found.before);
            pattern.parts.push(Part::Token(token));
            rest = found.after;
        }
        pattern.push_literal(rest);
        Ok(pattern)
    }

    fn push_literal(&mut self, text: &str) {
        if !text.is_empty() {
            self.parts.push(Part::Literal(text.to_owned()));
        }
    }

    fn token(&mut self, name: &str, argument: Option<&str>, built_in: bool) -> Result<Token, FormatError> {
        Ok(match name {
            "method" => Token::Method,
            "url" => Token::Url,
            "http-version" => Token::HttpVersion,
            "status" => Token::Status,
            "remote-addr" => Token::RemoteAddr,
            "remote-user" => Token::RemoteUser,
            "referrer" => Token::Referrer,
            "user-agent" => Token::UserAgent,
            "req" => Token::RequestHeader(place_of(&mut self.request_headers, name, argument)?),
            "res" => Token::ResponseHeader(place_of(&mut self.response_headers, name, argument)?),
            "date" => Token::Date(date_form(argument)?),
            "response-time" => Token::ResponseTime(digits(name, argument)?),
            "total-time" => Token::TotalTime(digits(name, argument)?),
            "pid" => Token::Pid,
            "length" if built_in => Token::Length,
            "color" if built_in => Token::Color,
            _ => return Err(FormatError::UnknownToken(name.to_owned())),
        })
    }
}

impl FromStr for Pattern {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Self::parse(text, false)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text // everything else follows from it
    }
}

impl Eq for Pattern {}

/// Whether `text` holds a token, known or not.
pub(super) fn has_token(text: &str) -> bool {
    next_token(text).is_some()
}

struct Found<'a> {
    before: &'a str,
    name: &'a str,
    argument: Option<&'a str>,
    after: &'a str,
}

/// The first token of `text`: `:([-\w]{2,})(?:\[([^\]]+)\])?` in morgan.
fn next_token(text: &str) -> Option<Found<'_>> {
    for (colon, _) in text.match_indices(':') {
        let word = &text[colon + 1..];
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let length = word.find(|c| !is_word(c)).unwrap_or(word.len());
        if length < 2 {
            continue;
        }
        let (name, after) = word.split_at(length);
        let bracketed = after.strip_prefix('[').and_then(|inside| inside.split_once(']'));
        let (argument, after) = match bracketed {
            Some((argument, after)) if !argument.is_empty() => (Some(argument), after),
            _ => (None, after),
        };
        return Some(Found { before: &text[..colon], name, argument, after });
    }
    None
}

fn place_of(names: &mut Vec<HeaderName>, token: &str, argument: Option<&str>) -> Result<usize, FormatError> {
    let argument = argument.ok_or_else(|| FormatError::MissingHeader(token.to_owned()))?;
    let name: HeaderName =
        argument.parse().map_err(|_| bad_argument(token, argument, "the name of a header"))?;
    Ok(names.iter().position(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    }))
}

fn date_form(argument: Option<&str>) -> Result<DateForm, FormatError> {
    match argument {
        None | Some("web") => Ok(DateForm::Web),
        Some("clf") => Ok(DateForm::Clf),
        Some("iso") => Ok(DateForm::Iso),
        Some(other) => Err(bad_argument("date", other, "web, clf or iso")),
    }
}

fn digits(token: &str, argument: Option<&str>) -> Result<u8, FormatError> {
    match argument.map(str::as_bytes) {
        None => Ok(3),
        Some([digit @ b'0'..=b'9']) => Ok(digit - b'0'),
        Some(_) => Err(bad_argument(token, argument.unwrap_or_default(), "a number of digits from 0 to 9")),
    }
}

fn bad_argument(token: &str, argument: &str, expected: &'static str) -> FormatError {
    FormatError::BadArgument { token: token.to_owned(), argument: argument.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::{FormatError, Part, Pattern, Token};

    fn parts(text: &str) -> Vec<Part> {
        text.parse::<Pattern>().unwrap().parts
    }

    fn literal(text: &str) -> Part {
        Part::Literal(text.to_owned())
    }

    #[test]
    fn takes_text_and_tokens_apart() {
        assert_eq!(
            parts("a :method:status] \":url\""),
            [
                literal("a "),
                Part::Token(Token::Method),
                Part::Token(Token::Status),
                literal("] \""),
                Part::Token(Token::Url),
                literal("\"")
            ]
        );
    }

    #[test]
    fn a_colon_before_less_than_two_word_characters_is_text() {
        for text in ["", "a:b", ":m", "::", ": method", ":한글"] {
            let expected: Vec<Part> = if text.is_empty() { vec![] } else { vec![literal(text)] };
            assert_eq!(parts(text), expected, "{text}");
        }
        assert_eq!(parts("::method"), [literal(":"), Part::Token(Token::Method)]);
    }

    #[test]
    fn an_open_or_empty_bracket_is_text() {
        assert_eq!(parts(":method[x"), [Part::Token(Token::Method), literal("[x")]);
        assert_eq!(parts(":method[]"), [Part::Token(Token::Method), literal("[]")]);
    }

    #[test]
    fn headers_are_listed_once_whatever_their_case() {
        let pattern: Pattern = ":req[X-A] :req[x-a] :req[x-b] :res[X-A]".parse().unwrap();
        assert_eq!(pattern.request_headers, ["x-a", "x-b"]);
        assert_eq!(pattern.response_headers, ["x-a"]);
        assert_eq!(pattern.parts[2], Part::Token(Token::RequestHeader(0)));
    }

    #[test]
    fn an_argument_that_a_token_cannot_use_is_an_error_that_says_what_it_can() {
        for (text, expected) in [
            (":date[local]", "web, clf or iso"),
            (":response-time[many]", "0 to 9"),
            (":total-time[12]", "0 to 9"),
            (":req[a b]", "the name of a header"),
        ] {
            let error = text.parse::<Pattern>().unwrap_err();
            assert!(matches!(error, FormatError::BadArgument { .. }), "{error:?}");
            assert!(error.to_string().contains(expected), "{error}");
        }
        let error = ":res".parse::<Pattern>().unwrap_err();
        assert!(error.to_string().contains(":res[name]"), "{error}");
    }
}
