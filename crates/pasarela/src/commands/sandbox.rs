//! stub
use crate::Failure;
use std::path::Path;
use std::process::ExitCode;
#[derive(clap::Args)]
pub(crate) struct Args {}
pub(crate) async fn run(_c: &Path, _a: Args) -> Result<ExitCode, Failure> {
    Ok(ExitCode::SUCCESS)
}
