//! What the bodies of requests and answers are, the same for axum and actix.
//!
//! In: a form or JSON with a name, an address and about a kilobyte of text. Out: answers that follow from what was
//! parsed.

use serde::{Deserialize, Serialize};

/// The answer to `GET /json`.
#[derive(Serialize)]
pub struct Greeting {
    /// A greeting.
    pub message: &'static str,
}

/// What `POST /form` and `POST /json-body` take.
#[derive(Deserialize)]
pub struct Person {
    name: String,
    email: String,
    text: String,
}

/// What was understood of a [`Person`].
#[derive(Serialize)]
pub struct Summary {
    name: String,
    email: String,
    length: usize,
}

impl Person {
    /// The answer to a form.
    pub fn told(self) -> String {
        format!("{} <{}>: {}", self.name, self.email, self.text.len())
    }

    /// The answer to JSON.
    pub fn summary(self) -> Summary {
        Summary { length: self.text.len(), name: self.name, email: self.email }
    }
}
