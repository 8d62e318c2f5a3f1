//! `narae completions SHELL`: a completion script on standard output.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print a completion script for a shell
///
/// bash: narae completions bash > ~/.local/share/bash-completion/completions/narae
///
/// zsh: narae completions zsh > a folder of $fpath, as _narae
///
/// fish: narae completions fish > ~/.config/fish/completions/narae.fish
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Completions {
    /// The shell to write for
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) {
        clap_complete::generate(self.shell, &mut super::Command::command(), "narae", &mut std::io::stdout());
    }
}
