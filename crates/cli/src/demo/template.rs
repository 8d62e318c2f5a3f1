//! Fills `{{name}}` places in a page.
//!
//! In: a template and values. Out: HTML. Owns escaping, which is the default;
//! never sees requests.

/// A value for a place in a template.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    /// Anything; escaped.
    Text(&'a str),
    /// HTML that this program wrote; left as it is.
    Html(&'a str),
}

/// Replaces each `{{name}}` by its value. Values are not searched for places.
///
/// # Panics
///
/// When the template has a place without a value. Templates are part of the
/// program, so the first test that renders one finds out.
pub(super) fn fill(template: &str, values: &[(&str, Value<'_>)]) -> String {
    let mut parts = template.split("{{");
    let mut page = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (place, after) = part.split_once("}}").expect("a place in a template ends with two braces");
        let value = values.iter().find(|(name, _)| *name == place.trim());
        match value.expect("a place in a template has a value").1 {
            Value::Text(text) => escape_into(&mut page, text),
            Value::Html(html) => page.push_str(html),
        }
        page.push_str(after);
    }
    page
}

/// Safe between tags and inside a quoted attribute.
fn escape_into(page: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            c => page.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_text_and_keeps_html() {
        let values = [("a", Value::Text("<i>&\"'")), ("b", Value::Html("<b>{{a}}</b>"))];
        let page = fill("1 {{a}} 2 {{b}} 3", &values);
        assert_eq!(page, "1 &lt;i&gt;&amp;&quot;&#39; 2 <b>{{a}}</b> 3");
    }
}
