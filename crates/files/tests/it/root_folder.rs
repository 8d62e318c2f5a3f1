//! Holds the root itself: missing, late, replaced, and the errors that name it.

use std::{
    fs, io,
    os::unix::fs::symlink,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::StatusCode;
use narae_files::{Error, Files, FolderFault};

use crate::site::{Site, check, get};

#[test]
fn open_names_what_is_wrong_and_where() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let file = dir.path().join("file");
    fs::write(&file, b"x").unwrap();
    let fault = |path| match Files::open(path) {
        Err(Error::Folder(fault)) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(fault(&missing), FolderFault::Missing(missing.clone()));
    assert_eq!(fault(&file), FolderFault::NotAFolder(file.clone()));
    assert!(Error::from(fault(&missing)).to_string().contains(missing.to_str().unwrap()));
    assert!(Error::from(fault(&file)).to_string().contains(file.to_str().unwrap()));
    let cyclic = dir.path().join("cyclic");
    symlink(&cyclic, &cyclic).unwrap();
    assert!(matches!(Files::open(&cyclic), Err(Error::System { path, .. }) if path == cyclic));
}

#[test]
fn a_relative_path_is_named_absolutely() {
    let Err(error) = Files::open("no-such-folder-here") else { panic!("the folder must not exist") };
    let expected = std::env::current_dir().unwrap().join("no-such-folder-here");
    assert!(error.to_string().contains(expected.to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn a_missing_folder_is_not_found_until_it_appears() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("public");
    let files = Files::new(&root);
    assert_eq!(check(files.clone(), get("/a.txt")).await.status, StatusCode::NOT_FOUND);
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a.txt"), b"here").unwrap();
    assert_eq!(check(files, get("/a.txt")).await.body, b"here");
}

#[tokio::test]
async fn a_folder_that_is_deleted_and_made_anew_is_served_again() {
    let site = Site::new();
    let files = site.files();
    let files = files.revalidate_after(Duration::ZERO);
    assert_eq!(check(files.clone(), get("/hello.txt")).await.status, StatusCode::OK);
    fs::remove_dir_all(site.root()).unwrap();
    assert_eq!(check(files.clone(), get("/hello.txt")).await.status, StatusCode::NOT_FOUND);
    site.file("hello.txt", b"new");
    assert_eq!(check(files, get("/hello.txt")).await.body, b"new");
}

#[tokio::test]
async fn the_root_may_be_a_link_and_is_kept_when_it_is_renamed() {
    let site = Site::new();
    let link = site.outside().join("link");
    symlink(site.root(), &link).unwrap();
    let files = Files::open(&link).unwrap();
    fs::rename(site.root(), site.outside().join("moved")).unwrap();
    assert_eq!(check(files, get("/hello.txt")).await.body, b"hello, world");
}

#[test]
fn a_missing_folder_is_warned_about_with_its_absolute_path() {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let expected = std::env::current_dir().unwrap().join("no-such-public");
    tracing::subscriber::with_default(subscriber, || drop(Files::new("no-such-public")));
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("WARN") && text.contains(expected.to_str().unwrap()), "{text}");
    assert!(text.contains("create it"), "{text}");
}

#[test]
fn files_is_cheap_to_share() {
    fn shareable<T: Clone + Send + Sync + Unpin + 'static>() {}
    fn movable<T: Send + Unpin + 'static>() {}
    shareable::<Files>();
    movable::<narae_files::ResponseFuture>();
    movable::<narae_files::Body>();
    assert_eq!(size_of::<Files>(), size_of::<usize>());
}
