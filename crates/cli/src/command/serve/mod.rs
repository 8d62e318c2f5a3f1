//! `narae serve`: a folder as a site.
//!
//! In: flags, and the table `[serve]` of the settings file. Out: a site on the server. `table` reads the file, `choice`
//! says what can be chosen, `site` puts the services together.

mod choice;
mod site;
mod table;

use std::path::PathBuf;

use clap::Args;

use super::listen_defaults;
use choice::{CacheChoice, Choices, Compression, Field, Hidden, Origin};

/// Serve a folder of files
///
/// GET and HEAD, index.html for folders, ranges, conditional requests, compression. Small files are kept in memory.
/// Hidden files (names that begin with a dot) are not served, and no link or path leads out of the folder.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG_HELP)]
pub(super) struct Serve {
    /// The folder to serve [default: the current one]
    folder: Option<PathBuf>,

    /// Serve hidden files too: names that begin with a dot
    #[arg(long, help_heading = SITE)]
    dotfiles: bool,

    /// A single-page application: paths that lead nowhere get this page [default PAGE: index.html]
    ///
    /// Paths whose last name has an extension stay 404: /assets/gone.js is no route of the page.
    #[arg(long, value_name = "PAGE", num_args = 0..=1, require_equals = true, default_missing_value = "index.html",
        help_heading = SITE)]
    spa: Option<String>,

    /// List what is in folders that have no index.html
    #[arg(long, help_heading = SITE)]
    listing: bool,

    /// The page to send with a 404, such as 404.html
    #[arg(long, value_name = "PAGE", help_heading = SITE)]
    not_found: Option<String>,

    /// What to try after a name without an extension: with html, /about is about.html. Repeat for more
    #[arg(long, value_name = "EXTENSION", value_delimiter = ',', help_heading = SITE)]
    extensions: Vec<String>,

    /// Cache-Control for all files ("max-age=60"), or for those that match ("*.html: no-cache"). Repeat for more
    ///
    /// A pattern without a slash is for names, one with a slash for paths: "assets/**: max-age=31536000, immutable".
    /// The first that matches counts. [default: no-cache, so that every use is checked and costs a 304]
    #[arg(long, value_name = "[PATTERN: ]VALUE", help_heading = SITE)]
    cache: Vec<CacheChoice>,

    /// Cache files with a hash in their name for a year: app.3f2a9c1b.js, index-BfX2k9dQ.css
    #[arg(long, help_heading = SITE)]
    immutable: bool,

    /// Compress text with Brotli, Zstandard or gzip: on, off, or siblings (only app.js.br beside app.js)
    ///
    /// Each file is compressed once and kept in memory. [default: on]
    #[arg(
        long,
        value_name = "WHICH",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "on",
        hide_possible_values = true,
        help_heading = SITE
    )]
    compress: Option<Compression>,

    /// Memory in each worker for small files and what is compressed; 0 for none [default: 32MiB]
    #[arg(long, value_name = "SIZE", help_heading = SITE)]
    memory: Option<narae::Size>,

    /// A field for every answer: "X-Frame-Options: DENY". Repeat for more
    #[arg(long, value_name = "NAME: VALUE", help_heading = SITE)]
    header: Vec<Field>,

    /// Let pages of other origins read the files: https://app.example, or all without a value. Repeat for more
    #[arg(long, value_name = "ORIGIN", num_args = 0..=1, require_equals = true, default_missing_value = "*",
        help_heading = SITE)]
    cors: Vec<Origin>,

    /// Ask for a name and a password, as "narae hash-password NAME" or "htpasswd -nB NAME" prints them. Repeat for more
    ///
    /// Other users of this machine can read command lines: auth in narae.toml is the better place.
    #[arg(long, value_name = "NAME:HASH", help_heading = SITE)]
    auth: Vec<narae::Credential>,

    #[command(flatten)]
    flags: narae::Flags,
}

impl Serve {
    pub(super) fn run(self) -> narae::Result {
        let (flags, chosen) = (self.flags.clone(), self.choices());
        let choices = chosen.over(table::read(&flags)?);
        let folder = choices.folder.clone().unwrap_or_else(|| ".".into());
        let serving = format!("the folder {}", folder.display());
        let site = site::Site::new(&folder, choices)?;
        let app = narae::app(move || site.router()).name("serve").serving(serving);
        listen_defaults(app, &flags)?.flags(flags).run()
    }

    /// What the command line says.
    fn choices(self) -> Choices {
        Choices {
            folder: self.folder,
            index: None,
            dotfiles: self.dotfiles.then_some(Hidden::Allow),
            spa: self.spa,
            listing: self.listing.then_some(true),
            not_found: self.not_found,
            extensions: some(self.extensions),
            cache: some(self.cache),
            immutable: self.immutable.then_some(true),
            compress: self.compress,
            memory: self.memory,
            headers: some(self.header),
            cors: some(self.cors),
            auth: some(self.auth),
        }
    }
}

/// `None` for a flag that was not given.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

const SITE: &str = "Site";

const EXAMPLES: &str = "\
Examples:
  narae serve                            this folder, on http://127.0.0.1:8080 and https://localhost:8443
  narae serve dist --spa --immutable     what a build tool made of a single-page application
  narae serve files --listing            a folder to look around in
  narae help serve                       more examples, and narae.toml";

const LONG_HELP: &str = "\
Examples:
  narae serve                            this folder, on http://127.0.0.1:8080 and https://localhost:8443
  narae serve dist --spa --immutable     what a build tool made of a single-page application
  narae serve site --extensions html --not-found 404.html
                                         /about is about.html, and a page for what is not there
  narae serve files --listing --cors     a folder to look around in, which pages of all origins may read
  narae serve site --cache '*.html: no-cache' --cache 'assets/**: max-age=31536000, immutable' --cache max-age=3600
                                         how long browsers may use a file without asking
  narae serve site --header 'X-Frame-Options: DENY' --header 'Referrer-Policy: no-referrer'
  narae hash-password alice              prints alice:$2b$10$…, for --auth or narae.toml

In narae.toml the same stands under [serve]; what the command line says replaces it:
  [serve]
  folder = \"dist\"                        # relative to narae.toml
  spa = true                             # or the page's name
  listing = false
  not_found = \"404.html\"
  extensions = [\"html\"]
  index = [\"index.html\"]
  dotfiles = \"ignore\"                    # 404; or deny (403), allow
  cache = [\"*.html: no-cache\", \"max-age=3600\"]
  immutable = true
  compress = \"on\"                        # off, siblings
  memory = \"32MiB\"
  headers = [\"X-Frame-Options: DENY\"]
  cors = [\"https://app.example\"]         # or [\"*\"]
  auth = [\"alice:$2b$10$…\"]";
