//! narae from outside: real servers on ports of their own, asked over plain sockets.

mod access_log;
mod applications;
mod client;
mod failures;
mod messages;
mod run;
mod settings;
mod site;
