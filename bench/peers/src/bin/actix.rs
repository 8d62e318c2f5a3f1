//! Hello by actix-web, with one worker.

#![forbid(unsafe_code)]

use actix_web::{App, HttpServer, rt::System, web};

fn main() -> std::io::Result<()> {
    System::new().block_on(async {
        let app = || App::new().route("/", web::get().to(|| async { peers::HELLO }));
        let address = peers::address();
        let server = HttpServer::new(app).workers(1).bind(address)?;
        peers::ready(address);
        server.run().await
    })
}
