//! The two logs: the access log's destination and format ([`Log`]), and the program's own messages.
//!
//! In: settings. Out: an [`AccessLog`] to put around the application, or none; a `tracing` subscriber, if
//! the application has set none. Must not know requests.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use narae_layers::{AccessLog, Format, Sink};
use narae_server::Client;
use tracing_subscriber::filter::LevelFilter;

use crate::error::Error;
use crate::failure::RequestId;
use crate::settings::LogChoice;

/// The access log: which lines, and where they go.
///
/// ```
/// use narae::{Format, Log};
///
/// let log = Log::lines(Format::Json).to_file("access.log");
/// # drop(log);
/// ```
#[derive(Clone, Debug)]
pub struct Log {
    choice: Option<LogChoice>, // None: automatic
    to: To,
}

/// An access log at work. Without a layer there is no log.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    pub(crate) layer: Option<AccessLog>,
    pub(crate) file: Option<Sink>,
}

#[derive(Clone, Debug)]
enum To {
    Stdout,
    File(PathBuf),
    Sink(Sink),
}

impl Log {
    /// Lines to the standard output: [`Format::Dev`] with colours on a terminal, [`Format::Combined`]
    /// elsewhere. The default.
    pub const fn automatic() -> Self {
        Self { choice: None, to: To::Stdout }
    }

    /// No access log, at no cost.
    pub const fn off() -> Self {
        Self { choice: Some(LogChoice::Off), to: To::Stdout }
    }

    /// Lines of this format, to the standard output.
    pub const fn lines(format: Format) -> Self {
        Self { choice: Some(LogChoice::Lines(format)), to: To::Stdout }
    }

    /// Appends the lines to the file at `path`; [`Log::automatic`] then means [`Format::Combined`].
    /// [`App::run`](crate::App::run) opens the file anew on `SIGUSR1`, for a rotation that moves it away.
    #[must_use]
    pub fn to_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.to = To::File(path.into());
        self
    }

    /// Hands the lines to `sink`; [`Log::automatic`] then means [`Format::Combined`].
    #[must_use]
    pub fn to_sink(mut self, sink: Sink) -> Self {
        self.to = To::Sink(sink);
        self
    }

    /// This log where a higher source says something else. A file that is named by a higher source than
    /// the one that said `off` turns the log on.
    pub(crate) fn replaced_by<O: PartialOrd>(
        mut self,
        choice: Option<(LogChoice, O)>,
        file: Option<(PathBuf, O)>,
    ) -> Self {
        let off_is_lower = match (&choice, &file) {
            (Some((LogChoice::Off, choice)), Some((_, file))) => file > choice,
            (None, Some(_)) => matches!(self.choice, Some(LogChoice::Off)),
            _ => false,
        };
        if let Some((choice, _)) = choice {
            self.choice = Some(choice);
        }
        if off_is_lower {
            self.choice = None;
        }
        if let Some((file, _)) = file {
            self.to = To::File(file);
        }
        self
    }

    /// Opens the log: the layer, and its file, which can be opened anew.
    pub(crate) fn open(self) -> Result<Opened, Error> {
        let on_terminal = matches!(self.to, To::Stdout) && io::stdout().is_terminal();
        let format = match self.choice {
            Some(LogChoice::Off) => return Ok(Opened::default()),
            Some(LogChoice::Lines(format)) => format,
            None if on_terminal => Format::Dev,
            None => Format::Combined,
        };
        let mut file = None;
        let sink = match self.to {
            To::Stdout => Sink::stdout(),
            To::Sink(sink) => sink,
            To::File(path) => {
                let sink = Sink::file(&path).map_err(|source| Error::LogFile { path, source })?;
                file.insert(sink).clone()
            }
        };
        let layer = AccessLog::new(format, sink)
            .color(on_terminal && wants_color())
            .client(Client::address_of)
            .request_id(|extensions| extensions.get::<RequestId>().map(RequestId::to_string));
        Ok(Opened { layer: Some(layer), file })
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::automatic()
    }
}

/// <https://no-color.org>: any value but nothing means no.
pub(crate) fn wants_color() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes the program's messages to the standard error output, from level `info`, unless the application
/// has set a `tracing` subscriber of its own.
pub(crate) fn install_subscriber() {
    if tracing::dispatcher::has_been_set() {
        return;
    }
    let subscriber = tracing_subscriber::fmt()
        .with_writer(|| crate::stderr::Stderr)
        .with_max_level(LevelFilter::INFO)
        .with_ansi(io::stderr().is_terminal() && wants_color())
        .with_target(false)
        .finish();
    // Another thread may have been faster; its subscriber is as good.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(log: Log, choice: Option<(LogChoice, u8)>, file: Option<(PathBuf, u8)>) -> Log {
        log.replaced_by(choice, file)
    }

    #[test]
    fn a_file_from_a_higher_source_turns_the_log_on() {
        let file = || Some((PathBuf::from("a.log"), 2));
        assert_eq!(merged(Log::off(), None, file()).choice, None);
        assert_eq!(merged(Log::off(), Some((LogChoice::Off, 1)), file()).choice, None);
        assert_eq!(merged(Log::automatic(), Some((LogChoice::Off, 3)), file()).choice, Some(LogChoice::Off));
        assert_eq!(merged(Log::automatic(), Some((LogChoice::Off, 2)), file()).choice, Some(LogChoice::Off));
    }

    #[test]
    fn a_log_that_is_off_is_no_layer() {
        assert!(Log::off().open().unwrap().layer.is_none());
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let error = Log::automatic().to_file("/nowhere/a.log").open().unwrap_err();
        assert!(error.to_string().contains("/nowhere/a.log"), "{error}");
    }
}
