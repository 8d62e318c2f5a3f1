//! actix-web, with one worker.

#![forbid(unsafe_code)]

use actix_web::{App, HttpServer, rt::System, web};
use peers::bodies::{Greeting, Person};

fn main() -> std::io::Result<()> {
    System::new().block_on(async {
        let address = peers::address();
        let server = HttpServer::new(|| App::new().configure(routes)).workers(1).bind(address)?;
        peers::ready(address);
        server.run().await
    })
}

fn routes(app: &mut web::ServiceConfig) {
    app.route("/", web::get().to(|| async { peers::HELLO }))
        .route("/json", web::get().to(|| async { web::Json(Greeting { message: peers::HELLO }) }))
        .route("/form", web::post().to(|form: web::Form<Person>| async { form.into_inner().told() }))
        .route(
            "/json-body",
            web::post().to(|json: web::Json<Person>| async { web::Json(json.into_inner().summary()) }),
        );
    for path in peers::paths() {
        let route = if path.contains('{') {
            web::get().to(|id: web::Path<String>| async { id.into_inner() })
        } else {
            web::get().to(|| async { "all" })
        };
        app.route(&path, route);
    }
}
