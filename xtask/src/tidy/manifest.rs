//! [`Manifest`]: what the rules ask of a `Cargo.toml`.
//!
//! In: its text, and what the workspace's own manifest says about names. Out:
//! the package's name, its edges to other packages with their lines, and where
//! its roots are. Judges nothing.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A package's manifest.
pub(super) struct Manifest {
    pub(super) name: String,
    pub(super) edges: Vec<Edge>,
    /// Roots named in `[lib]` and `[[bin]]`, relative to the package.
    pub(super) roots: Vec<String>,
    pub(super) inherits_lints: bool,
    /// The program that `cargo run` means.
    pub(super) default_run: Option<String>,
}

/// A dependency, of any kind, for any target.
pub(super) struct Edge {
    /// The package's name, whatever it is renamed to.
    pub(super) package: String,
    pub(super) line: usize,
    /// Whether whoever uses this package needs it, on any machine and with any features.
    pub(super) is_required: bool,
}

/// What the manifest at the top says about the others.
#[derive(Default)]
pub(super) struct Workspace {
    /// Names under `[workspace.dependencies]` that stand for another package.
    renamed: BTreeMap<String, String>,
    /// Folders that are no part of the workspace.
    pub(super) excluded: Vec<String>,
}

impl Workspace {
    /// Reads the manifest at the top; an unreadable one says nothing.
    pub(super) fn parse(text: &str) -> Self {
        let Ok(table) = DeTable::parse(text) else { return Self::default() };
        let Some(workspace) = child(table.get_ref(), "workspace") else { return Self::default() };
        let renamed = child(workspace, "dependencies").into_iter().flatten().filter_map(|(name, value)| {
            let package = value.get_ref().get("package")?.get_ref().as_str()?;
            Some((name.get_ref().to_string(), package.to_owned()))
        });
        let excluded = workspace.get("exclude").and_then(|list| list.get_ref().as_array());
        Self {
            renamed: renamed.collect(),
            excluded: excluded
                .into_iter()
                .flat_map(|list| list.iter())
                .filter_map(|folder| folder.get_ref().as_str().map(str::to_owned))
                .collect(),
        }
    }
}

impl Manifest {
    /// Reads a package's manifest.
    ///
    /// # Errors
    /// The parser's message, with the line it complains about.
    pub(super) fn parse(text: &str, workspace: &Workspace) -> Result<Self, (usize, String)> {
        let parsed = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            (line, error.message().to_owned())
        })?;
        let table = parsed.get_ref();
        let mut edges = Vec::new();
        let mut add = |table: &DeTable<'_>, is_everywhere: bool| {
            for kind in KINDS {
                for (name, value) in child(table, kind).into_iter().flatten() {
                    let package = package_of(name.get_ref(), value, workspace);
                    let line = line_of(text, name.span().start);
                    let optional = value.get_ref().get("optional").and_then(|is| is.get_ref().as_bool());
                    let is_required = is_everywhere && kind != DEVELOPMENT && optional != Some(true);
                    edges.push(Edge { package, line, is_required });
                }
            }
        };
        add(table, true);
        for (_, target) in child(table, "target").into_iter().flatten() {
            target.get_ref().as_table().into_iter().for_each(|table| add(table, false));
        }
        let of_package = |key: &str| {
            let value = child(table, "package")?.get(key)?;
            value.get_ref().as_str().map(str::to_owned)
        };
        let lints = child(table, "lints").and_then(|lints| lints.get("workspace"));
        Ok(Self {
            name: of_package("name").unwrap_or_default(),
            edges,
            roots: roots(table),
            default_run: of_package("default-run"),
            inherits_lints: lints.and_then(|inherits| inherits.get_ref().as_bool()) == Some(true),
        })
    }
}

fn package_of(name: &str, value: &Spanned<DeValue<'_>>, workspace: &Workspace) -> String {
    let value = value.get_ref();
    if let Some(package) = value.get("package").and_then(|package| package.get_ref().as_str()) {
        return package.to_owned();
    }
    let inherited = value.get("workspace").and_then(|inherits| inherits.get_ref().as_bool()) == Some(true);
    workspace.renamed.get(name).filter(|_| inherited).cloned().unwrap_or_else(|| name.to_owned())
}

fn roots(table: &DeTable<'_>) -> Vec<String> {
    let bins = table.get("bin").and_then(|bins| bins.get_ref().as_array());
    let bins = bins.into_iter().flat_map(|bins| bins.iter()).filter_map(|bin| bin.get_ref().as_table());
    child(table, "lib")
        .into_iter()
        .chain(bins)
        .filter_map(|root| root.get("path")?.get_ref().as_str().map(str::to_owned))
        .collect()
}

fn child<'t, 'i>(table: &'t DeTable<'i>, name: &str) -> Option<&'t DeTable<'i>> {
    table.get(name)?.get_ref().as_table()
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

const DEVELOPMENT: &str = "dev-dependencies";
const KINDS: [&str; 3] = ["dependencies", "build-dependencies", DEVELOPMENT];
