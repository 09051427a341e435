//! Where somebody who gets personal data is, and on which basis it goes there (Ley 1581 de 2012, art. 26; D.1377 de
//! 2013, arts. 24 and 25). A live connection says both before it starts, and so does a webhook of a hub that has one.
//! Not legal advice.

use jiff::civil::Date;
use pasarela_colombia::abroad::is_adequate;
use pasarela_connector::Environment;
use serde::{Deserialize, Serialize};

/// The country of the hub's own market: nothing leaves it.
const HOME: &str = "CO";

/// Why personal data may go abroad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// What allows it.
    basis: Basis,
    /// Where the paper is: number of the contract, version of the text that people agreed to.
    reference: String,
    /// Day from which it holds: `2026-11-27`.
    since: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
/// What allows that personal data goes abroad.
pub enum Basis {
    /// A contract of transmission with a processor that acts for us alone.
    Contract,
    /// The persons authorised the transfer, expressly and unequivocally.
    Consent,
    /// A declaration of conformity of the authority (SIC).
    Declaration,
}

/// Checks what a connection, or a webhook, says. `Ok(Some(..))`: a warning, where no real person is concerned.
///
/// # Errors
/// What is missing or wrong, and what to write.
pub fn check_transfer(
    country: Option<&str>,
    acts_for_itself: bool,
    transfer: Option<&Transfer>,
    environment: Environment,
) -> Result<Option<String>, String> {
    if let Some(code) = country
        && !(code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()))
    {
        return Err(format!(
            "country is '{code}'; write the two capital letters of the country where the processor is, such as CO or US"
        ));
    }
    if let Some(t) = transfer {
        t.since
            .parse::<Date>()
            .map_err(|_| format!("transfer.since is '{}'; write a day such as 2026-11-27", t.since))?;
        if t.reference.trim().is_empty() {
            return Err("transfer.reference is empty; write where the contract or the text of the consent is".into());
        }
    }
    let why = match (country, transfer) {
        (Some(HOME), _) => return Ok(None),
        (None, _) => {
            if environment == Environment::Sandbox {
                return Ok(None);
            }
            "country is missing: a live connection says in which country its processor is (country = \"CO\" when the data does not leave Colombia)".to_owned()
        }
        (Some(code), None) => format!(
            "personal data would go to {code} without a basis (Ley 1581 art. 26): add transfer = {{ basis = \"contract\", reference = \"...\", since = \"...\" }}, or basis = \"consent\" or \"declaration\""
        ),
        // A contract of transmission is with somebody who acts for us. Who acts for itself is another responsible.
        (Some(code), Some(t)) if acts_for_itself && t.basis == Basis::Contract && !is_adequate(code) => format!(
            "acts_for_itself: a contract of transmission is no basis for a transfer to {code}, which is not among the countries that the SIC holds adequate; consent or declaration is"
        ),
        (Some(_), Some(_)) => return Ok(None),
    };
    if environment == Environment::Live { Err(why) } else { Ok(Some(why)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(basis: Basis) -> Transfer {
        Transfer { basis, reference: "contrato 7".into(), since: "2026-11-01".into() }
    }

    #[test]
    fn a_live_connection_abroad_does_not_start_without_its_basis_and_a_sandbox_warns() {
        use super::check_transfer as check;
        use Environment::{Live, Sandbox};
        let live = |country, own, transfer: Option<&Transfer>| check(country, own, transfer, Live);
        assert!(live(None, false, None).unwrap_err().contains("country is missing"));
        assert_eq!(live(Some("CO"), false, None), Ok(None));
        assert!(live(Some("US"), false, None).unwrap_err().contains("art. 26"));
        assert_eq!(live(Some("US"), false, Some(&by(Basis::Contract))), Ok(None));
        assert_eq!(live(Some("US"), true, Some(&by(Basis::Contract))), Ok(None), "an adequate country");
        assert!(live(Some("BR"), true, Some(&by(Basis::Contract))).unwrap_err().contains("consent"));
        assert_eq!(live(Some("BR"), true, Some(&by(Basis::Consent))), Ok(None));
        assert_eq!(live(Some("BR"), false, Some(&by(Basis::Contract))), Ok(None), "a processor of ours, by contract");
        assert_eq!(check(None, false, None, Sandbox), Ok(None));
        assert!(check(Some("US"), false, None, Sandbox).unwrap().unwrap().contains("art. 26"));
        for country in ["us", "USA", "Colombia"] {
            assert!(check(Some(country), false, None, Sandbox).is_err(), "{country}");
        }
        let wrong = Transfer { since: "ayer".into(), ..by(Basis::Contract) };
        assert!(check(Some("US"), false, Some(&wrong), Sandbox).unwrap_err().contains("2026-11-27"));
        let empty = Transfer { reference: " ".into(), ..by(Basis::Contract) };
        assert!(live(Some("US"), false, Some(&empty)).is_err());
    }
}
