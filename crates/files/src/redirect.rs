//! Sends a browser from a folder's name to the folder (RFC 9110 §10.2.2, §15.4.2).
//!
//! In: the last name of the path, decoded, and the query. Out: a `301` whose `Location` is relative.
//! Must not know where the service is mounted: the browser resolves `./name/` against the path it asked for, so
//! the answer is right under any prefix. The leading `./` and the escaping keep the reference from ever having a
//! scheme or a host (RFC 3986 §4.2), whatever the name is.

use http::{HeaderValue, Response, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode};

use crate::{body::Body, refusal::Refusal};

pub(crate) fn to_folder(last_name: &[u8], query: Option<&str>) -> Result<Response<Body>, Refusal> {
    let location = HeaderValue::try_from(location(last_name, query)).map_err(|_| Refusal::NotFound)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(0_u64));
    Ok(response)
}

fn location(last_name: &[u8], query: Option<&str>) -> String {
    let mut location = String::from("./");
    location.extend(percent_encode(last_name, NAME));
    location.push('/');
    if let Some(query) = query {
        location.push('?');
        location.extend(percent_encode(query.as_bytes(), QUERY));
    }
    location
}

// Everything but the unreserved characters (RFC 3986 §2.3).
pub(crate) const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
// The query is kept as it came; only what no header value may hold is escaped.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'#');

#[cfg(test)]
mod tests {
    use super::*;

    fn check(last_name: &[u8], query: Option<&str>, expected: &str) {
        assert_eq!(location(last_name, query), expected);
        assert_eq!(to_folder(last_name, query).unwrap().headers()[header::LOCATION], expected);
    }

    #[test]
    fn the_location_is_relative_and_keeps_the_query() {
        check(b"docs", None, "./docs/");
        check(b"docs", Some("a=1&b=%20"), "./docs/?a=1&b=%20");
        check(b"docs", Some(""), "./docs/?");
    }

    #[test]
    fn no_name_can_become_a_scheme_a_host_or_a_second_header() {
        check(b"javascript:alert(1)", None, "./javascript%3Aalert%281%29/");
        check(b"a\r\nSet-Cookie: x", None, "./a%0D%0ASet-Cookie%3A%20x/");
        check(b"a?b#c", None, "./a%3Fb%23c/");
        check(b"", None, ".//");
        check("한".as_bytes(), Some("한\r\n"), "./%ED%95%9C/?%ED%95%9C%0D%0A");
        check(b"\xFF", None, "./%FF/");
    }
}
