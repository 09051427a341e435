//! Countries that the authority holds to protect personal data adequately (Ley 1581 de 2012, art. 26): those of the
//! Circular Externa 005 of 10 August 2017 of the SIC. Later circulars may add some; none is read here that was not
//! seen. Not legal advice.

/// By ISO 3166-1, in order.
const ADEQUATE: [&str; 36] = [
    "AT", "BE", "BG", "CR", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU", "IE", "IS", "IT",
    "KR", "LT", "LU", "LV", "MT", "MX", "NL", "NO", "PE", "PL", "PT", "RO", "RS", "SE", "SI", "SK", "US",
];

/// Is a country, by its two capital letters, among them?
#[must_use]
pub fn is_adequate(country: &str) -> bool {
    ADEQUATE.binary_search(&country).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_the_circular_is_in_order_and_holds_no_other() {
        assert!(ADEQUATE.is_sorted());
        assert!(["US", "ES", "MX", "PE"].iter().all(|c| is_adequate(c)));
        assert!(["BR", "IN", "SG", "CN", "HK", "CO", "us", ""].iter().all(|c| !is_adequate(c)));
    }
}
