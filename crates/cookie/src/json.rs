//! JSON in cookies: `j:` and a JSON text, as Express's `res.cookie` writes and `cookie-parser` reads it.
//!
//! In: values that serialize, texts of cookies. Out: texts, values. Signing comes after encoding: Express
//! writes `s:j:{…}.signature`.

use serde::Serialize;
use serde_json::Value;

use crate::Error;

/// `value` as the text of a JSON cookie, before percent-encoding: `j:{"items":[1,2]}`.
///
/// # Errors
///
/// [`Error::Json`] when the value does not become JSON, such as a map whose keys are not texts.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    match serde_json::to_string(value) {
        Ok(text) => Ok(format!("{PREFIX}{text}")),
        Err(error) => Err(Error::Json(error.to_string())),
    }
}

/// The JSON in `text`, by Node's rules: `None`, so that the text stays what it is, when it does not begin
/// with `j:`, is not JSON, or is a JSON value that JavaScript holds for false (`0`, `false`, `null`, `""`).
///
/// Unlike in JavaScript, numbers beyond its range, texts with half a surrogate pair and values nested more
/// than 127 deep are not JSON here.
///
/// ```
/// use narae_cookie::json;
///
/// assert_eq!(json::decode(r#"j:{"a":1}"#), Some(serde_json::json!({"a": 1})));
/// assert_eq!(json::decode("j:0"), None);
/// ```
#[must_use]
pub fn decode(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text.strip_prefix(PREFIX)?).ok()?;
    let falsy = match &value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Bool(true) | Value::Array(_) | Value::Object(_) => false,
    };
    (!falsy).then_some(value)
}

const PREFIX: &str = "j:";
