//! `pasarela openapi`: the API's document, as `/openapi.json` answers it. Needs no configuration.

use crate::Failure;
use crate::hub::providers;
use crate::output::line;
use std::process::ExitCode;

pub(crate) fn run() -> Result<ExitCode, Failure> {
    let providers = providers();
    let manifests: Vec<_> = providers.iter().map(|p| p.manifest()).collect();
    let document = pasarela_web::openapi(&manifests);
    let text = serde_json::to_string_pretty(&document)
        .map_err(|e| Failure::Failed(format!("the document cannot be written: {e}")))?;
    line(&text);
    Ok(ExitCode::SUCCESS)
}
