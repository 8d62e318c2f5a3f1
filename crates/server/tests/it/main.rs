//! The server over real sockets: raw bytes in, expected bytes out, over plain and TLS.

mod client;
mod site;

mod rfc9112;
