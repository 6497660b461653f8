//! Talking to a running gateway: as its operator, or as a person.

use super::load::Refused;
use super::password;
use crate::cli::As;
use anyhow::anyhow;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;
use weir_admin::{AdminClient, Credentials, TokenError, load_token};
use weir_config::Client;

/// Runs `work` with a client; a configuration that does not load is told and ends with its own exit code.
pub(super) fn with_client<F, Fut>(config: &Path, who: Option<As>, work: F) -> anyhow::Result<ExitCode>
where
    F: FnOnce(AdminClient) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let gateway = match super::load::client(config) {
        Ok(client) => client,
        Err(Refused) => return Ok(ExitCode::from(super::EXIT_CONFIG)),
    };
    let credentials = credentials(&gateway, who)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = AdminClient::connect(gateway.admin, credentials).await?;
        work(client).await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A person if one is named, the operator otherwise.
fn credentials(gateway: &Client, who: Option<As>) -> anyhow::Result<Credentials> {
    if let Some(name) = who.and_then(|who| who.user) {
        let password = match std::env::var("WEIR_PASSWORD") {
            Ok(password) => password,
            Err(_) => password::read(false, &format!("Password for {name}: "), "set WEIR_PASSWORD")?,
        };
        return Ok(Credentials::Reviewer { name, password });
    }
    let token = load_token(&gateway.state.join("admin.token")).map_err(|error| match error {
        TokenError::Io { path, source } if source.kind() == ErrorKind::NotFound => {
            anyhow!("there is no {} yet: has `weir run` been started?", path.display())
        }
        TokenError::Io { path, source } => anyhow!("{}: {source}", path.display()),
        other => anyhow!(other),
    })?;
    Ok(Credentials::Operator(token))
}
