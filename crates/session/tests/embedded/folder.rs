//! The store's folder: how it is made, and what is said when it cannot be.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use narae_session::Id;
use narae_session::store::{Embedded, Store as _, StoreError};

use crate::child::{pair, store};

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn naming_a_folder_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/sessions");
    let store = Embedded::open(&path).unwrap();
    assert!(!folder.path().join("data").exists());
    store.prepare(1).unwrap();
    assert!(path.join("data.mdb").exists());
}

#[tokio::test]
async fn the_folder_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/sessions");
    let store = store(&path);
    store.create(Id::random(), pair(1)).await.unwrap();
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("data.mdb")), 0o600);
    assert_eq!(mode(&path.join("lock.mdb")), 0o600);
}

#[test]
fn a_path_that_cannot_be_is_refused_at_once() {
    assert!(matches!(Embedded::open(""), Err(StoreError::Misuse(_))));
}

#[test]
fn a_file_in_its_place_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions");
    std::fs::write(&path, "").unwrap();
    let error = Embedded::open(&path).unwrap().prepare(1).unwrap_err();
    assert!(matches!(error, StoreError::Misuse(_)), "{error:?}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}

#[test]
fn files_that_are_no_store_are_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data.mdb"), "no store".repeat(4096)).unwrap();
    let error = Embedded::open(folder.path()).unwrap().prepare(1).unwrap_err();
    assert!(matches!(error, StoreError::Unreadable(_)), "{error:?}");
    assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn who_only_looks_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("sessions"), folder.path().to_owned()] {
        let error = Embedded::open(&path).unwrap().create_missing(false).prepare(1).unwrap_err();
        assert!(matches!(error, StoreError::Misuse(_)), "{error:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    store(folder.path()).create(Id::random(), pair(1)).await.unwrap();
    Embedded::open(folder.path()).unwrap().create_missing(false).prepare(1).unwrap();
}
