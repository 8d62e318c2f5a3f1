//! Splits a PEM file into its sections (RFC 7468), keeping line numbers for the errors.
//!
//! In: a file's text. Out: [`Section`]s. Knows the frame only; what the bytes mean is `certificate`'s.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// One `-----BEGIN x-----` … `-----END x-----` part of a file.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) label: &'a str,
    /// The line of BEGIN, from 1.
    pub(super) line: usize,
    /// The whole part, frame included.
    text: String,
}

impl Section<'_> {
    /// Whether a passphrase protects the content: PKCS#8's own label, or the `Proc-Type` of older keys.
    pub(super) fn is_encrypted(&self) -> bool {
        self.label.contains("ENCRYPTED") || self.text.contains("Proc-Type: 4,ENCRYPTED")
    }

    pub(super) fn is_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    pub(super) fn certificate(&self, file: &Path) -> Result<CertificateDer<'static>, TlsError> {
        CertificateDer::from_pem_slice(self.text.as_bytes()).map_err(|error| self.fault(file, &error))
    }

    pub(super) fn key(&self, file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(self.text.as_bytes()).map_err(|error| self.fault(file, &error))
    }

    fn fault(&self, file: &Path, error: &dyn std::fmt::Display) -> TlsError {
        TlsError::Pem { file: file.to_owned(), line: self.line, reason: format!("{}: {error}", self.label) }
    }
}

/// Reads all sections of `text`. Anything between sections is a comment (RFC 7468 §5.2).
pub(super) fn sections<'a>(file: &Path, text: &'a str) -> Result<Vec<Section<'a>>, TlsError> {
    let fault = |line, reason: String| TlsError::Pem { file: file.to_owned(), line, reason };
    let mut sections = Vec::new();
    let mut open: Option<Section<'a>> = None;
    for (index, raw) in text.lines().enumerate() {
        let number = index + 1;
        let line = raw.trim_end();
        if let Some(label) = frame(line, "-----BEGIN ") {
            if let Some(section) = &open {
                return Err(fault(number, format!("{} of line {} has no END", section.label, section.line)));
            }
            open = Some(Section { label, line: number, text: format!("{line}\n") });
        } else if let Some(label) = frame(line, "-----END ") {
            match open.take() {
                Some(mut section) if section.label == label => {
                    section.text.push_str(line);
                    section.text.push('\n');
                    sections.push(section);
                }
                Some(section) => {
                    return Err(fault(number, format!("END {label} closes BEGIN {}", section.label)));
                }
                None => return Err(fault(number, format!("END {label} without BEGIN"))),
            }
        } else if let Some(section) = &mut open {
            if let Some(bad) = line.chars().find(|c| !is_body(*c)) {
                return Err(fault(number, format!("{bad:?} is not base64")));
            }
            section.text.push_str(line);
            section.text.push('\n');
        }
    }
    match open {
        Some(section) => {
            Err(fault(section.line, format!("{} has no END: the file is cut off", section.label)))
        }
        None => Ok(sections),
    }
}

/// A list of what a file holds, for the error of what it lacks.
pub(super) fn describe(sections: &[Section<'_>]) -> String {
    match sections {
        [] => {
            "no PEM section: is it DER? openssl x509 -inform der -in FILE -out FILE.pem converts".to_owned()
        }
        sections => sections.iter().map(|section| section.label).collect::<Vec<_>>().join(", "),
    }
}

fn frame<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.strip_suffix("-----")
}

/// Base64, and the header lines that encrypted keys of the old form carry.
fn is_body(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | ':' | ',' | '-' | ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &str) {
        let got = match sections(Path::new("f.pem"), text) {
            Ok(sections) => describe(&sections),
            Err(error) => error.to_string(),
        };
        assert!(got.contains(want), "{got:?} lacks {want:?}");
    }

    #[test]
    fn text_around_sections_is_a_comment() {
        check("hello\n-----BEGIN A-----\nAAAA\n-----END A-----\nbye\n", "A");
    }

    #[test]
    fn a_cut_off_section_names_the_line_it_began_on() {
        check("\n-----BEGIN A-----\nAAAA\n", "f.pem:2: A has no END");
    }

    #[test]
    fn a_section_inside_another_is_refused() {
        check("-----BEGIN A-----\n-----BEGIN B-----\n", "f.pem:2: A of line 1 has no END");
    }

    #[test]
    fn a_wrong_end_is_refused() {
        check("-----BEGIN A-----\n-----END B-----\n", "f.pem:2: END B closes BEGIN A");
        check("-----END B-----\n", "f.pem:1: END B without BEGIN");
    }

    #[test]
    fn a_character_that_is_not_base64_names_its_line() {
        check("-----BEGIN A-----\nAAAA\nAA#A\n-----END A-----\n", "f.pem:3: '#' is not base64");
    }

    #[test]
    fn windows_line_ends_are_read() {
        check("-----BEGIN A-----\r\nAAAA\r\n-----END A-----\r\n", "A");
    }
}
