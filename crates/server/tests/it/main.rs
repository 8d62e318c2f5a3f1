//! The server over real sockets: raw bytes in, expected bytes out, over plain and TLS.

mod client;
mod site;

mod h2_frames;

mod drain;
mod limits;
mod listeners;
mod protocols;
mod rfc9112;
mod tls;
mod workers;
