//! Routes that parse a body and answer from what it says.
//!
//! In: a form or JSON with a name, an address and about a kilobyte of text. Out: the name, the address, the length.

use narae::prelude::*;
use serde::{Deserialize, Serialize};

pub(crate) fn routes() -> Router {
    Router::new().route("/form", post(form)).route("/json-body", post(json))
}

#[derive(Deserialize)]
struct Person {
    name: String,
    email: String,
    text: String,
}

#[derive(Serialize)]
struct Summary {
    name: String,
    email: String,
    length: usize,
}

async fn form(Form(person): Form<Person>) -> String {
    format!("{} <{}>: {}", person.name, person.email, person.text.len())
}

async fn json(Json(person): Json<Person>) -> Json<Summary> {
    Json(Summary { length: person.text.len(), name: person.name, email: person.email })
}
