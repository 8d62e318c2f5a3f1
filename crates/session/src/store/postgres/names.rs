//! [`Names`]: the names of tables, quoted so that they are never anything else.
//!
//! In: what the program calls its schema and its table. Out: SQL identifiers and literals.

/// Where the sessions are.
pub(super) struct Names {
    /// The table, with its schema if one was given.
    pub(super) table: String,
    /// The table of versions, beside it.
    pub(super) versions: String,
    /// The table's name as the program gave it.
    pub(super) plain: String,
}

impl Names {
    /// Quotes the names.
    ///
    /// # Errors
    /// Which name PostgreSQL could not have.
    pub(super) fn new(schema: Option<&str>, table: &str) -> Result<Self, String> {
        let prefix = match schema {
            Some(schema) => format!("{}.", identifier(schema)?),
            None => String::new(),
        };
        Ok(Self {
            table: format!("{prefix}{}", identifier(table)?),
            versions: format!("{prefix}narae_migrations"),
            plain: table.to_owned(),
        })
    }
}

/// Quotes an identifier.
///
/// # Errors
/// If it is empty, has U+0000, or is longer than the 63 bytes after which PostgreSQL cuts it off.
fn identifier(name: &str) -> Result<String, String> {
    if name.is_empty() || name.len() > LONGEST || name.contains('\0') {
        return Err(format!(
            "{name:?} is no name for a table or schema: one has 1 to {LONGEST} bytes, none 0"
        ));
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}

/// Quotes a text, for places that take no parameter. `E''`, so that no setting changes what `\` means.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

const LONGEST: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_a_name() {
        let names = Names::new(Some("a.b"), "s\"; DROP TABLE x; --").expect("names");
        assert_eq!(names.table, "\"a.b\".\"s\"\"; DROP TABLE x; --\"");
        assert_eq!(names.versions, "\"a.b\".narae_migrations");
    }

    #[test]
    fn names_that_postgresql_would_change_are_refused() {
        for name in ["", "a\0b", &"é".repeat(32)] {
            assert!(Names::new(None, name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_text_stays_a_text() {
        assert_eq!(literal(r"a'b\'c"), r"E'a''b\\''c'");
    }
}
