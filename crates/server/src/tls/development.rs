//! The development certificate: made on first use, kept, renewed before it ends.
//!
//! Out: the two files. One certificate for all applications of a user, so that one browser exception is
//! enough. Two processes that start at once agree on one.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType};

use super::TlsError;
use super::certificate::{read_certificates, validity};

/// Browsers refuse certificates that live longer.
const LIFE: Duration = Duration::from_secs(397 * DAY);
const RENEW_BEFORE: Duration = Duration::from_secs(30 * DAY);
const DAY: u64 = 86_400;

/// The certificate's and the key's file, in `folder` or the user's own state folder. Makes them if they are
/// missing, damaged or about to expire.
pub(super) fn ensure(folder: Option<&Path>) -> Result<(PathBuf, PathBuf), TlsError> {
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => state_folder()?,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|source| TlsError::File { file: folder.clone(), source })?;
    let file = folder.join("localhost.pem");
    if !is_good(&file, SystemTime::now()) {
        make(&folder, &file)?;
    }
    Ok((file.clone(), file))
}

/// Whether the file holds a certificate with some life left.
fn is_good(file: &Path, now: SystemTime) -> bool {
    let Ok(certificates) = read_certificates(file) else { return false };
    let Some(leaf) = certificates.first() else { return false };
    let Ok((_, until)) = validity(leaf, file) else { return false };
    let limit = now + RENEW_BEFORE;
    let limit = limit.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    i64::try_from(limit).is_ok_and(|limit| until.timestamp() > limit)
}

/// Writes certificate and key as one file, moved into place whole: a second process sees either the old
/// pair or the new one, never a certificate with another's key.
fn make(folder: &Path, file: &Path) -> Result<(), TlsError> {
    let refuse = |error: rcgen::Error| TlsError::Refused { file: file.to_owned(), reason: error.to_string() };
    let key = KeyPair::generate().map_err(refuse)?;
    let mut params =
        CertificateParams::new(["localhost".to_owned(), "*.localhost".to_owned()]).map_err(refuse)?;
    for address in [std::net::Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()] {
        params.subject_alt_names.push(SanType::IpAddress(address));
    }
    let now = SystemTime::now();
    // An hour of slack for a clock that another machine compares with.
    params.not_before = (now - Duration::from_secs(3600)).into();
    params.not_after = (now + LIFE).into();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "narae development certificate");
    params.distinguished_name = name;
    let certificate = params.self_signed(&key).map_err(refuse)?;

    let fresh = folder.join(format!("localhost.pem.{}", std::process::id()));
    write_private(&fresh, &format!("{}{}", certificate.pem(), key.serialize_pem()))
        .and_then(|()| fs::rename(&fresh, file))
        .map_err(|source| TlsError::File { file: file.to_owned(), source })
}

fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()
}

fn state_folder() -> Result<PathBuf, TlsError> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("narae/development"))
        .ok_or_else(|| TlsError::File {
            file: PathBuf::from("~/.local/state/narae/development"),
            source: io::Error::new(
                io::ErrorKind::NotFound,
                "neither XDG_STATE_HOME nor HOME is set, so there is no place to keep the development certificate",
            ),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_certificate_is_kept_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = ensure(Some(folder.path())).unwrap();
        let before = fs::read(&first).unwrap();
        let (second, _) = ensure(Some(folder.path())).unwrap();
        assert_eq!(before, fs::read(&second).unwrap());
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&first).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_certificate_near_its_end_is_not_good() {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = ensure(Some(folder.path())).unwrap();
        let now = SystemTime::now();
        assert!(is_good(&file, now));
        assert!(is_good(&file, now + LIFE - RENEW_BEFORE - Duration::from_secs(60)));
        assert!(!is_good(&file, now + LIFE - RENEW_BEFORE + Duration::from_secs(60)));
    }

    #[test]
    fn a_damaged_file_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = ensure(Some(folder.path())).unwrap();
        fs::write(&file, "-----BEGIN CERTIFICATE-----\n").unwrap();
        ensure(Some(folder.path())).unwrap();
        assert!(is_good(&file, SystemTime::now()));
    }
}
