//! Which form of an error page a client asks for (RFC 9110 §12.5.1).
//!
//! In: the value of `Accept`. Out: a [`Form`]. Pure.

/// How an error page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Html,
    /// `application/problem+json` (RFC 9457).
    Json,
    Plain,
}

impl Form {
    /// The form with the highest weight among those that `accept` names, HTML first. `*/*` names none: a
    /// program that takes anything, as `curl` does, is served best by plain text.
    pub(super) fn of(accept: Option<&str>) -> Self {
        let mut best = (Self::Plain, 0.0);
        for range in accept.unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let form = match &*media {
                "text/html" | "application/xhtml+xml" => Self::Html,
                "text/plain" => Self::Plain,
                media if media == "application/json" || media.ends_with("+json") => Self::Json,
                _ => continue,
            };
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            let weight = weight.map_or(1.0, |weight| weight.parse::<f32>().unwrap_or(0.0));
            let wins_tie = weight == best.1 && form == Self::Html;
            if weight > best.1 || (wins_tie && weight > 0.0) {
                best = (form, weight);
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_the_form_that_they_name() {
        for (accept, form) in [
            (None, Form::Plain),
            (Some("*/*"), Form::Plain),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Form::Html),
            (Some("application/json"), Form::Json),
            (Some("application/problem+json, application/json;q=0.9"), Form::Json),
            (Some("application/json, text/plain, */*"), Form::Json),
            (Some("application/json;q=0.5, TEXT/HTML;q=0.5"), Form::Html),
            (Some("text/html;q=0, application/json;q=0.1"), Form::Json),
            (Some("text/html;q=0"), Form::Plain),
            (Some("text/plain, text/html;q=0.9"), Form::Plain),
            (Some(";;q=,,"), Form::Plain),
        ] {
            assert_eq!(Form::of(accept), form, "{accept:?}");
        }
    }
}
