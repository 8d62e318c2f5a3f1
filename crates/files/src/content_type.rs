//! Chooses the media type of a file from its extension (RFC 9110 §8.3).
//!
//! In: the name of the file as bytes. Out: a ready `Content-Type` value. Never looks inside the file: the
//! answer always carries `nosniff`, so what is not known is `application/octet-stream`.

use http::HeaderValue;

pub(crate) fn of(name: &[u8]) -> HeaderValue {
    let Some(extension) = extension(name) else { return UNKNOWN };
    if let Some((_, ready)) = READY.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known)) {
        return HeaderValue::from_static(ready);
    }
    let Some(guess) = mime_guess::from_ext(extension).first_raw() else { return UNKNOWN };
    if !wants_charset(guess) {
        return HeaderValue::from_static(guess);
    }
    HeaderValue::try_from(format!("{guess}; charset=utf-8")).unwrap_or(UNKNOWN)
}

/// Whether files of this name become smaller when they are compressed: text in any form, and formats that are not
/// compressed by themselves.
pub(crate) fn is_compressible(name: &[u8]) -> bool {
    let Some(extension) = extension(name) else { return false };
    let media_type = match READY.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known)) {
        Some((_, ready)) => ready,
        None => mime_guess::from_ext(extension).first_raw().unwrap_or_default(),
    };
    let media_type = media_type.split(';').next().unwrap_or_default();
    media_type.starts_with("text/")
        || media_type.ends_with("+json")
        || media_type.ends_with("+xml")
        || wants_charset(media_type)
        || COMPRESSIBLE.contains(&media_type)
}

/// What follows the last dot, unless the dot is the first byte of the name.
fn extension(name: &[u8]) -> Option<&str> {
    let dot = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0)?;
    std::str::from_utf8(name.get(dot + 1..)?).ok()
}

fn wants_charset(media_type: &str) -> bool {
    media_type.starts_with("text/")
        || matches!(
            media_type,
            "application/javascript"
                | "application/json"
                | "application/json5"
                | "application/manifest+json"
                | "application/x-javascript"
        )
}

const UNKNOWN: HeaderValue = HeaderValue::from_static("application/octet-stream");

const COMPRESSIBLE: [&str; 12] = [
    "application/xml",
    "application/wasm",
    "application/node",
    "application/rtf",
    "application/x-sh",
    "application/vnd.ms-fontobject",
    "font/ttf",
    "font/otf",
    "font/collection",
    "image/bmp",
    "image/x-icon",
    "image/x-ms-bmp",
];

// The types of a web page come first, ready made; then the types whose guess is dated.
const READY: &[(&str, &str)] = &[
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("json", "application/json; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("webp", "image/webp"),
    ("woff2", "font/woff2"),
    ("txt", "text/plain; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("xml", "application/xml"),
    ("woff", "font/woff"),
    ("otf", "font/otf"),
    ("m4a", "audio/mp4"),
    ("ts", "video/mp2t"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("yaml", "text/yaml; charset=utf-8"),
    ("yml", "text/yaml; charset=utf-8"),
    ("jsx", "text/jsx; charset=utf-8"),
    ("cjs", "application/node"),
    ("manifest", "text/cache-manifest; charset=utf-8"),
    ("dmg", "application/x-apple-diskimage"),
    ("iso", "application/x-iso9660-image"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &[u8], expected: &str) {
        assert_eq!(of(name), expected, "{}", name.escape_ascii());
    }

    #[test]
    fn text_gets_a_charset_and_the_rest_does_not() {
        check(b"index.html", "text/html; charset=utf-8");
        check(b"app.js", "text/javascript; charset=utf-8");
        check(b"app.mjs", "text/javascript; charset=utf-8");
        check(b"data.json", "application/json; charset=utf-8");
        check(b"app.webmanifest", "application/manifest+json; charset=utf-8");
        check(b"style.css", "text/css; charset=utf-8");
        check(b"table.csv", "text/csv; charset=utf-8");
        check(b"feed.xml", "application/xml");
        check(b"logo.svg", "image/svg+xml");
        check(b"photo.avif", "image/avif");
        check(b"code.wasm", "application/wasm");
        check(b"film.ts", "video/mp2t");
    }

    #[test]
    fn the_last_extension_counts_in_any_case() {
        check(b"INDEX.HTML", "text/html; charset=utf-8");
        check(b"archive.tar.gz", "application/gzip");
        check(b"page.html.png", "image/png");
        check(b"\xFF.txt", "text/plain; charset=utf-8");
    }

    #[test]
    fn a_name_without_a_known_extension_is_bytes() {
        for name in [&b"README"[..], b".html", b"a.", b"a.unknown", b"a.\xFF", b"", b".", b"a.b/c"] {
            check(name, "application/octet-stream");
        }
    }

    #[test]
    fn text_becomes_smaller_and_what_is_compressed_already_does_not() {
        for name in
            ["a.html", "a.js", "a.css", "a.json", "a.svg", "a.xml", "a.txt", "a.MD", "a.wasm", "a.map"]
        {
            assert!(is_compressible(name.as_bytes()), "{name}");
        }
        for name in ["a.atom", "a.geojson", "a.webmanifest", "a.ttf", "a.otf", "a.ico", "a.bmp", "a.csv"] {
            assert!(is_compressible(name.as_bytes()), "{name}");
        }
        for name in
            ["a.png", "a.jpg", "a.woff2", "a.mp4", "a.zip", "a.gz", "a.br", "a.pdf", "a", "a.bin", "a.ts"]
        {
            assert!(!is_compressible(name.as_bytes()), "{name}");
        }
    }
}
