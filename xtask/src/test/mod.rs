//! x
pub(crate) fn run(_: &std::path::Path, _: bool, _: &[String]) -> Result<(), String> {
    Ok(())
}
