//! Puts a site together from what was chosen: the files, and around them the fields, the login, the other origins.
//!
//! In: checked choices. Out: a router. The outermost first: CORS, since a browser asks before it logs in; the login;
//! the fields, which refusals get too.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::middleware::map_response;
use narae::prelude::*;
use narae::tower_http::cors::{AllowOrigin, Any, CorsLayer};
use narae::{BasicAuth, Credential, SettingFault};

use super::choice::{CacheChoice, Choices, Compression, Field, Origin};

/// A site that can be served.
pub(super) struct Site {
    files: Files,
    fields: Vec<Field>,
    users: Vec<Credential>,
    origins: Vec<Origin>,
}

impl Site {
    /// The folder must be there.
    pub(super) fn new(folder: &Path, choices: Choices) -> narae::Result<Self> {
        let mut files = Files::open(folder)?;
        if let Some(index) = choices.index {
            files = files.index_files(index);
        }
        if let Some(dotfiles) = choices.dotfiles {
            files = files.dotfiles(dotfiles.into());
        }
        if let Some(page) = choices.spa {
            page_is_there(folder, "spa", &page)?;
            files = files.single_page(page);
        }
        if let Some(page) = choices.not_found {
            page_is_there(folder, "not-found", &page)?;
            files = files.not_found(page);
        }
        for choice in choices.cache.unwrap_or_default() {
            files = match choice {
                CacheChoice::Matching(rule) => files.cache_rule(rule),
                CacheChoice::Rest(value) => files.cache_control(value),
            };
        }
        if let Some(memory) = choices.memory {
            files = files.memory(usize::try_from(memory.0).unwrap_or(usize::MAX));
        }
        files = match choices.compress.unwrap_or(Compression::On) {
            Compression::On => files,
            Compression::Off => files.compression(false).precompressed(false),
            Compression::Siblings => files.compression(false),
        };
        let files = files
            .listing(choices.listing.unwrap_or_default())
            .extensions(choices.extensions.unwrap_or_default())
            .immutable_names(choices.immutable.unwrap_or_default());
        let users = choices.auth.unwrap_or_default();
        let mut names = BTreeSet::new();
        if let Some(twice) = users.iter().find(|user| !names.insert(user.name())) {
            let reason = format!("the name {:?} stands there twice", twice.name());
            return Err(narae::Error::Settings(SettingFault::new("auth", reason)));
        }
        let (fields, origins) = (choices.headers.unwrap_or_default(), choices.cors.unwrap_or_default());
        Ok(Self { files, fields, users, origins })
    }

    pub(super) fn router(self) -> Router {
        let mut router = Router::new().fallback_service(self.files);
        let has_login = !self.users.is_empty();
        if has_login {
            router = router.layer(BasicAuth::new(self.users));
        }
        if !self.fields.is_empty() {
            let fields = std::sync::Arc::new(self.fields);
            router = router.layer(map_response(move |mut response: Response| {
                add(&fields, response.headers_mut());
                std::future::ready(response)
            }));
        }
        if !self.origins.is_empty() {
            router = router.layer(cors(&self.origins, has_login));
        }
        router
    }
}

/// Puts `fields` in the place of those of the same name, each of them if there are several. `Vary` is added to: what
/// the files say there keeps caches from mixing their forms.
fn add(fields: &[Field], headers: &mut HeaderMap) {
    for field in fields.iter().filter(|field| field.name != header::VARY) {
        headers.remove(&field.name);
    }
    for field in fields {
        headers.append(field.name.clone(), field.value.clone());
    }
}

/// A page that is missing now is more likely a slip than one that comes later.
fn page_is_there(folder: &Path, flag: &str, page: &str) -> narae::Result {
    let path = folder.join(page.trim_start_matches('/'));
    match path.is_file() {
        true => Ok(()),
        false => {
            let reason = format!("there is no file {}: create it or name another one", path.display());
            Err(narae::Error::Settings(SettingFault::new(flag, reason)))
        }
    }
}

/// What pages of `origins` may do (Fetch Standard, HTTP-CORS protocol).
fn cors(origins: &[Origin], has_login: bool) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::HEAD])
        .expose_headers(EXPOSED)
        .max_age(Duration::from_secs(24 * 3600));
    let mut named = Vec::new();
    for origin in origins {
        match origin {
            Origin::Any => return layer.allow_origin(Any).allow_headers(Any),
            Origin::One(value) => named.push(value.clone()),
        }
    }
    // A browser sends a login to another origin only where that is named and says so.
    layer.allow_origin(AllowOrigin::list(named)).allow_headers(ASKED).allow_credentials(has_login)
}

/// What a page may read of an answer besides what it always may.
const EXPOSED: [HeaderName; 6] = [
    header::ACCEPT_RANGES,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::ETAG,
    header::LAST_MODIFIED,
];

/// What a page may send besides what it always may.
const ASKED: [HeaderName; 8] = [
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
];
