//! `[console.oidc]`: an OpenID provider that vouches for the people who work in the hub.

use super::secrets::Secrets;
use pasarela_connector::Environment;
use pasarela_domain::{Brands, Grant, Role};
use pasarela_web::OidcOptions;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Oidc {
    /// Who vouches, exactly as the provider names itself: `https://id.example`.
    pub(crate) issuer: String,
    /// Name of the hub at the provider. Its redirect address there is `console.public_url` with `/entrar/vuelta`.
    pub(crate) client_id: String,
    /// Its secret, `env:NAME`, `file:PATH` or `vault:NAME`; left out for a public client.
    #[serde(default)]
    pub(crate) client_secret: Option<String>,
    /// What stands on the button: the provider's name, as people know it.
    #[serde(default = "name")]
    pub(crate) name: String,
    /// Claim that names a person's groups, where the provider shall say who may what.
    #[serde(default)]
    pub(crate) roles_claim: Option<String>,
    /// Group to roles: `{ "hub-admins" = ["owner"], "mesa" = ["support"] }`. With `roles_claim`, and only with it.
    #[serde(default)]
    pub(crate) roles: BTreeMap<String, Vec<String>>,
    /// May the provider be on this machine or in its network, and speak plain HTTP there?
    #[serde(default)]
    pub(crate) allow_private_targets: bool,
}

/// Where its secret stands.
pub(super) const OIDC_SECRET: &str = "console.oidc.client_secret";

fn name() -> String {
    "OpenID".into()
}

impl Oidc {
    pub(crate) fn check(&self) -> Result<(), String> {
        let plain = self.issuer.starts_with("http://") && self.allow_private_targets;
        if !self.issuer.starts_with("https://") && !plain {
            return Err(format!(
                "console.oidc.issuer is '{}'; write https://HOST (http:// only beside allow_private_targets = true)",
                self.issuer
            ));
        }
        if self.client_id.is_empty() {
            return Err("console.oidc.client_id is empty; it is the hub's name at the provider".into());
        }
        if self.roles_claim.is_some() == self.roles.is_empty() {
            return Err("console.oidc.roles_claim and console.oidc.roles go together: the claim that names groups, and which roles they give".into());
        }
        self.grants().map(|_| ())
    }

    fn grants(&self) -> Result<BTreeMap<String, Vec<Grant>>, String> {
        let grant = |role: &String| {
            let role: Role = role.parse().map_err(|e| format!("console.oidc.roles: {e}"))?;
            if matches!(role, Role::Producer | Role::Designer) {
                return Err(format!("console.oidc.roles: a {role} is given shows or a portfolio by `pasarela users`"));
            }
            Ok(Grant { role, brands: Brands::All, only: BTreeSet::new() })
        };
        let groups = self.roles.iter();
        groups
            .map(|(group, roles)| Ok((group.clone(), roles.iter().map(grant).collect::<Result<_, String>>()?)))
            .collect()
    }

    /// As the console takes it. The secret is resolved here.
    pub(crate) fn options(&self, secrets: &Secrets) -> Result<OidcOptions, String> {
        let secret = |text: &String| secrets.resolve(OIDC_SECRET, text, Environment::Sandbox);
        Ok(OidcOptions {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.as_ref().map(secret).transpose()?,
            name: self.name.clone(),
            roles_claim: self.roles_claim.clone(),
            roles: self.grants()?,
            allow_private_targets: self.allow_private_targets,
        })
    }
}
