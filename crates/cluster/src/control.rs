//! The operator's side of the control socket, for the `narae` command.
//!
//! In: a name and a request. Out: replies until the last one. Starts nothing, keeps nothing.

use crate::channel::Channel;
use crate::error::{Error, Result};
use crate::message::{self, Reply, Request};
use crate::runtime_folder::{RuntimeFolder, valid_name};

/// The names of this user's applications that run now, sorted.
///
/// # Errors
///
/// The runtime folder cannot be used.
pub fn names() -> Result<Vec<String>> {
    let folder = RuntimeFolder::open().map_err(Error::system("use the runtime folder"))?;
    let mut names = folder.names();
    // A supervisor that was killed leaves its socket behind.
    names.retain(|name| Channel::connect(&folder.control(name)).is_ok());
    names.sort();
    Ok(names)
}

/// Asks the supervisor of `name` for `request`, tells `progress`, and waits for the last reply.
///
/// A supervisor that ends while a [`Request::Stop`] waits has done what it was asked for.
///
/// # Errors
///
/// [`Error::NotRunning`], [`Error::BadName`], or the supervisor went away.
pub fn ask(name: &str, request: &Request, mut progress: impl FnMut(&str)) -> Result<Reply> {
    if !valid_name(name) {
        return Err(Error::BadName { name: name.to_owned() });
    }
    let folder = RuntimeFolder::open().map_err(Error::system("use the runtime folder"))?;
    let Ok(channel) = Channel::connect(&folder.control(name)) else {
        return Err(Error::NotRunning { name: name.to_owned(), others: names()? });
    };
    let asking = "ask the supervisor";
    let packet = message::write(request).map_err(Error::system(asking))?;
    channel.send(&packet, &[]).map_err(Error::system(asking))?;
    loop {
        let Some((packet, _)) = channel.recv().map_err(Error::system(asking))? else {
            return match request {
                Request::Stop { .. } => Ok(Reply::Done { text: "stopped".to_owned() }),
                _ => Err(Error::System {
                    doing: asking,
                    source: std::io::Error::other("it went away, or does not answer this user"),
                }),
            };
        };
        match message::read(&packet).map_err(Error::system(asking))? {
            Reply::Progress { text } => progress(&text),
            Reply::Unknown => {}
            reply => return Ok(reply),
        }
    }
}
