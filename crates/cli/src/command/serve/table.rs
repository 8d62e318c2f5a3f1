//! The table `[serve]` of the settings file.
//!
//! In: the file that the flags name, or `narae.toml`. Out: [`Choices`], or an error with line, column and key.

use std::path::PathBuf;
use std::str::FromStr;

use narae::Credential;
use serde::de::{Deserialize, Deserializer, Error as _};

use super::choice::{CacheChoice, Choices, Compression, Field, Hidden, Origin};

/// What the file says; nothing if there is none.
pub(super) fn read(flags: &narae::Flags) -> narae::Result<Choices> {
    let Some((path, content)) = narae::read_settings_file::<Content>(flags)? else {
        return Ok(Choices::default());
    };
    let beside = path.parent().map(PathBuf::from).unwrap_or_default();
    let table = content.serve;
    Ok(Choices {
        folder: table.folder.map(|folder| beside.join(folder)),
        index: table.index,
        dotfiles: table.dotfiles,
        spa: table.spa.and_then(|spa| spa.0),
        listing: table.listing,
        not_found: table.not_found,
        extensions: table.extensions,
        cache: texts(table.cache),
        immutable: table.immutable,
        compress: table.compress,
        memory: table.memory,
        headers: texts(table.headers),
        cors: texts(table.cors),
        auth: texts(table.auth),
    })
}

fn texts<T>(list: Option<Vec<Text<T>>>) -> Option<Vec<T>> {
    list.map(|list| list.into_iter().map(|text| text.0).collect())
}

/// The file, as far as it is read here: the rest is the server's.
#[derive(Default, serde::Deserialize)]
struct Content {
    #[serde(default)]
    serve: Table,
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    folder: Option<PathBuf>,
    index: Option<Vec<String>>,
    dotfiles: Option<Hidden>,
    spa: Option<Page>,
    listing: Option<bool>,
    not_found: Option<String>,
    extensions: Option<Vec<String>>,
    cache: Option<Vec<Text<CacheChoice>>>,
    immutable: Option<bool>,
    compress: Option<Compression>,
    memory: Option<narae::Size>,
    headers: Option<Vec<Text<Field>>>,
    cors: Option<Vec<Text<Origin>>>,
    auth: Option<Vec<Text<Credential>>>,
}

/// Something that is written as text.
struct Text<T>(T);

impl<'de, T: FromStr<Err: ToString>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|error: T::Err| D::Error::custom(error.to_string()))
    }
}

/// The name of a page, or whether there is one.
struct Page(Option<String>);

impl<'de> Deserialize<'de> for Page {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged, expecting = "true, false, or the name of a page")]
        enum NameOrSwitch {
            Name(String),
            Switch(bool),
        }
        Ok(match NameOrSwitch::deserialize(deserializer)? {
            NameOrSwitch::Name(name) => Self(Some(name)),
            NameOrSwitch::Switch(true) => Self(Some("index.html".to_owned())),
            NameOrSwitch::Switch(false) => Self(None),
        })
    }
}
